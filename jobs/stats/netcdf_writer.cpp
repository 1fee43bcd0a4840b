#include "jobs/stats/netcdf_writer.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <span>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <hdf5_hl.h>

#include "jobs/stats/text.h"

namespace cohort::stats {
namespace {

constexpr unsigned kTracked = H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED;

/// A variable-length UTF-8 string: netCDF-C crashes on fixed-length ones in datasets.
TypeHandle string_type() {
  TypeHandle type(H5Tcopy(H5T_C_S1), "H5Tcopy");
  check_hdf5(H5Tset_size(type.get(), H5T_VARIABLE), "H5Tset_size");
  check_hdf5(H5Tset_cset(type.get(), H5T_CSET_UTF8), "H5Tset_cset");
  return type;
}

void put_attribute(hid_t object, char const* name, hid_t type, SpaceHandle const& space,
                   void const* data) {
  AttributeHandle const attribute(
      H5Acreate2(object, name, type, space.get(), H5P_DEFAULT, H5P_DEFAULT), "H5Acreate2");
  check_hdf5(H5Awrite(attribute.get(), type, data), "H5Awrite");
}

SpaceHandle scalar() { return {H5Screate(H5S_SCALAR), "H5Screate"}; }

/// netCDF's attributes of numbers are one-dimensional.
SpaceHandle line(hsize_t size) { return {H5Screate_simple(1, &size, nullptr), "H5Screate_simple"}; }

DatasetHandle create(hid_t group, char const* name, hid_t type, std::span<hsize_t const> shape) {
  SpaceHandle const space(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr),
                          "H5Screate_simple");
  PropertyHandle const creation(H5Pcreate(H5P_DATASET_CREATE), "H5Pcreate");
  check_hdf5(H5Pset_attr_creation_order(creation.get(), kTracked), "H5Pset_attr_creation_order");
  if (check_hdf5(H5Tequal(type, H5T_NATIVE_DOUBLE), "H5Tequal") > 0) {
    double const nan = std::numeric_limits<double>::quiet_NaN();
    check_hdf5(H5Pset_fill_value(creation.get(), type, &nan), "H5Pset_fill_value");
  }
  return {H5Dcreate2(group, name, type, space.get(), H5P_DEFAULT, creation.get(), H5P_DEFAULT),
          "H5Dcreate2"};
}

}  // namespace

NetcdfWriter::NetcdfWriter() {
  PropertyHandle const access(H5Pcreate(H5P_FILE_ACCESS), "H5Pcreate");
  constexpr std::size_t kGrowth = 1 << 20;
  check_hdf5(H5Pset_fapl_core(access.get(), kGrowth, false), "H5Pset_fapl_core");
  check_hdf5(H5Pset_libver_bounds(access.get(), H5F_LIBVER_EARLIEST, H5F_LIBVER_LATEST),
             "H5Pset_libver_bounds");
  PropertyHandle const creation(H5Pcreate(H5P_FILE_CREATE), "H5Pcreate");
  check_hdf5(H5Pset_link_creation_order(creation.get(), kTracked), "H5Pset_link_creation_order");
  check_hdf5(H5Pset_attr_creation_order(creation.get(), kTracked), "H5Pset_attr_creation_order");
  file_ = FileHandle(H5Fcreate("cohort-stats-image", H5F_ACC_TRUNC, creation.get(), access.get()),
                     "H5Fcreate");
}

GroupHandle NetcdfWriter::make_group(char const* name) {
  PropertyHandle const creation(H5Pcreate(H5P_GROUP_CREATE), "H5Pcreate");
  check_hdf5(H5Pset_link_creation_order(creation.get(), kTracked), "H5Pset_link_creation_order");
  check_hdf5(H5Pset_attr_creation_order(creation.get(), kTracked), "H5Pset_attr_creation_order");
  return {H5Gcreate2(root(), name, H5P_DEFAULT, creation.get(), H5P_DEFAULT), "H5Gcreate2"};
}

NetcdfDimension NetcdfWriter::make_dimension(hid_t group, char const* name, std::size_t size) {
  hsize_t const extent = size;
  NetcdfDimension dimension{create(group, name, H5T_IEEE_F32BE, std::span(&extent, 1)), extent};
  std::string const label =
      fmt::format("This is a netCDF dimension but not a netCDF variable.{:10}", size);
  check_hdf5(H5DSset_scale(dimension.scale.get(), label.c_str()), "H5DSset_scale");
  // Hidden in netCDF. Without it netCDF-C confuses dimensions when another tool renames one.
  put_attribute(dimension.scale.get(), "_Netcdf4Dimid", H5T_NATIVE_INT, scalar(), &dimensions_);
  ++dimensions_;
  return dimension;
}

void NetcdfWriter::write(hid_t group, NetcdfDescription const& description, Axes axes, hid_t type,
                         void const* data) {
  std::vector<hsize_t> shape;
  for (NetcdfDimension const* axis : axes) shape.push_back(axis->size);
  DatasetHandle const dataset = create(group, description.name, type, shape);
  check_hdf5(H5Dwrite(dataset.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data), "H5Dwrite");
  unsigned index = 0;
  for (NetcdfDimension const* axis : axes) {
    check_hdf5(H5DSattach_scale(dataset.get(), axis->scale.get(), index++), "H5DSattach_scale");
  }
  if (check_hdf5(H5Tequal(type, H5T_NATIVE_DOUBLE), "H5Tequal") > 0) {
    double const nan = std::numeric_limits<double>::quiet_NaN();
    put_attribute(dataset.get(), "_FillValue", type, line(1), &nan);
  }
  set_attribute(dataset.get(), "long_name", description.long_name);
  if (description.units) set_attribute(dataset.get(), "units", *description.units);
  if (description.flag_meanings.empty()) return;
  std::vector<signed char> values(description.flag_meanings.size());
  std::iota(values.begin(), values.end(), static_cast<signed char>(0));
  put_attribute(dataset.get(), "flag_values", H5T_NATIVE_SCHAR, line(values.size()), values.data());
  set_attribute(dataset.get(), "flag_meanings",
                fmt::format("{}", fmt::join(description.flag_meanings, " ")));
}

void NetcdfWriter::write_texts(hid_t group, NetcdfDescription const& description,
                               NetcdfDimension const& axis, std::vector<std::string> const& texts) {
  std::vector<std::string> valid;
  for (std::string const& text : texts) valid.push_back(utf8_text(text));
  std::vector<char const*> pointers;
  for (std::string const& text : valid) pointers.push_back(text.c_str());
  TypeHandle const type = string_type();
  write(group, description, {&axis}, type.get(), pointers.data());
}

void NetcdfWriter::set_attribute(hid_t object, char const* name, std::string_view text) {
  constexpr std::size_t kLongest = 8000;  // for people
  std::string const valid = utf8_text(text);
  std::string value(cut_text(valid, kLongest));
  if (value.size() < valid.size()) value += " [cut]";
  TypeHandle const type(H5Tcopy(H5T_C_S1), "H5Tcopy");
  check_hdf5(H5Tset_size(type.get(), std::max<std::size_t>(1, value.size())), "H5Tset_size");
  check_hdf5(H5Tset_cset(type.get(), H5T_CSET_UTF8), "H5Tset_cset");
  check_hdf5(H5Tset_strpad(type.get(), H5T_STR_NULLPAD), "H5Tset_strpad");
  put_attribute(object, name, type.get(), scalar(), value.c_str());
}

std::vector<std::byte> NetcdfWriter::image() const {
  check_hdf5(H5Fflush(root(), H5F_SCOPE_LOCAL), "H5Fflush");
  ssize_t const size = check_hdf5(H5Fget_file_image(root(), nullptr, 0), "H5Fget_file_image");
  std::vector<std::byte> image(static_cast<std::size_t>(size));
  check_hdf5(H5Fget_file_image(root(), image.data(), image.size()), "H5Fget_file_image");
  return image;
}

}  // namespace cohort::stats
