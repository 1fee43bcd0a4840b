#include <algorithm>
#include <initializer_list>
#include <limits>
#include <span>
#include <stdexcept>
#include <string_view>
#include <type_traits>

#include <fmt/format.h>
#include <hdf5_hl.h>

#include "jobs/stats/hdf5_handle.h"
#include "jobs/stats/report.h"
#include "jobs/stats/whole_file.h"

namespace cohort::stats {
namespace {

/// A variable-length UTF-8 string: netCDF-C crashes on fixed-length ones in datasets.
TypeHandle string_type() {
  TypeHandle type(H5Tcopy(H5T_C_S1), "H5Tcopy");
  check_hdf5(H5Tset_size(type.get(), H5T_VARIABLE), "H5Tset_size");
  check_hdf5(H5Tset_cset(type.get(), H5T_CSET_UTF8), "H5Tset_cset");
  return type;
}

void set_attribute(hid_t object, char const* name, std::string_view text) {
  // Attributes share an object header of 64 KiB; this one is for people.
  constexpr std::size_t kLongest = 8000;
  std::string value(text.substr(0, kLongest));
  if (text.size() > kLongest) value += " [cut]";
  TypeHandle const type(H5Tcopy(H5T_C_S1), "H5Tcopy");
  check_hdf5(H5Tset_size(type.get(), std::max<std::size_t>(1, value.size())), "H5Tset_size");
  check_hdf5(H5Tset_cset(type.get(), H5T_CSET_UTF8), "H5Tset_cset");
  check_hdf5(H5Tset_strpad(type.get(), H5T_STR_NULLPAD), "H5Tset_strpad");
  SpaceHandle const space(H5Screate(H5S_SCALAR), "H5Screate");
  AttributeHandle const attribute(
      H5Acreate2(object, name, type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT), "H5Acreate2");
  check_hdf5(H5Awrite(attribute.get(), type.get(), value.c_str()), "H5Awrite");
}

/// A file in memory: a full disk then shows in plain write(), not in HDF5's caches.
FileHandle create_image() {
  PropertyHandle const access(H5Pcreate(H5P_FILE_ACCESS), "H5Pcreate");
  constexpr std::size_t kGrowth = 1 << 20;
  check_hdf5(H5Pset_fapl_core(access.get(), kGrowth, false), "H5Pset_fapl_core");
  check_hdf5(H5Pset_libver_bounds(access.get(), H5F_LIBVER_EARLIEST, H5F_LIBVER_LATEST),
             "H5Pset_libver_bounds");
  PropertyHandle const creation(H5Pcreate(H5P_FILE_CREATE), "H5Pcreate");
  check_hdf5(
      H5Pset_link_creation_order(creation.get(), H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED),
      "H5Pset_link_creation_order");
  return {H5Fcreate("cohort-stats-image", H5F_ACC_TRUNC, creation.get(), access.get()),
          "H5Fcreate"};
}

std::vector<std::byte> image_of(hid_t file) {
  check_hdf5(H5Fflush(file, H5F_SCOPE_LOCAL), "H5Fflush");
  ssize_t const size = check_hdf5(H5Fget_file_image(file, nullptr, 0), "H5Fget_file_image");
  std::vector<std::byte> image(static_cast<std::size_t>(size));
  check_hdf5(H5Fget_file_image(file, image.data(), image.size()), "H5Fget_file_image");
  return image;
}

struct Dimension {
  DatasetHandle scale;
  hsize_t size;
};

DatasetHandle create(hid_t file, char const* name, hid_t type, std::span<hsize_t const> shape) {
  SpaceHandle const space(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr),
                          "H5Screate_simple");
  PropertyHandle const creation(H5Pcreate(H5P_DATASET_CREATE), "H5Pcreate");
  check_hdf5(
      H5Pset_attr_creation_order(creation.get(), H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED),
      "H5Pset_attr_creation_order");
  return {H5Dcreate2(file, name, type, space.get(), H5P_DEFAULT, creation.get(), H5P_DEFAULT),
          "H5Dcreate2"};
}

/// An axis without values of its own, in netCDF's spelling.
Dimension make_dimension(hid_t file, char const* name, std::size_t size) {
  hsize_t const extent = size;
  Dimension dimension{create(file, name, H5T_IEEE_F32BE, std::span(&extent, 1)), extent};
  std::string const label =
      fmt::format("This is a netCDF dimension but not a netCDF variable.{:10}", size);
  check_hdf5(H5DSset_scale(dimension.scale.get(), label.c_str()), "H5DSset_scale");
  return dimension;
}

using Axes = std::initializer_list<Dimension const*>;

struct Description {
  char const* name;
  char const* long_name;
  char const* units;  ///< null: none
};

void write(hid_t file, Description const& description, Axes axes, hid_t type, void const* data) {
  std::vector<hsize_t> shape;
  for (Dimension const* axis : axes) shape.push_back(axis->size);
  DatasetHandle const dataset = create(file, description.name, type, shape);
  check_hdf5(H5Dwrite(dataset.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data), "H5Dwrite");
  unsigned index = 0;
  for (Dimension const* axis : axes) {
    check_hdf5(H5DSattach_scale(dataset.get(), axis->scale.get(), index++), "H5DSattach_scale");
  }
  set_attribute(dataset.get(), "long_name", description.long_name);
  if (description.units != nullptr) set_attribute(dataset.get(), "units", description.units);
}

void write_texts(hid_t file, Description const& description, Dimension const& axis,
                 std::vector<std::string> const& texts) {
  std::vector<char const*> pointers;
  for (std::string const& text : texts) pointers.push_back(text.c_str());
  TypeHandle const type = string_type();
  write(file, description, {&axis}, type.get(), pointers.data());
}

/// One member of each item, in order.
template <class Items, class Get>
auto column(Items const& items, Get const& get) {
  std::vector<std::decay_t<decltype(get(items.front()))>> values;
  values.reserve(items.size());
  for (auto const& item : items) values.push_back(get(item));
  return values;
}

/// NaN where there are no finite values.
template <class Get>
void write_figure(hid_t file, Description const& description, Dimension const& axis,
                  std::vector<Summary> const& results, Get const& get) {
  auto const values = column(results, [&](Summary const& summary) -> double {
    return summary.count > 0 ? get(summary) : std::numeric_limits<double>::quiet_NaN();
  });
  write(file, description, {&axis}, H5T_NATIVE_DOUBLE, values.data());
}

/// The units that all datasets share; null when they differ or have none.
char const* common_units(std::vector<Summary> const& results) {
  std::string const& units = results.front().units;
  bool const common = std::all_of(results.begin(), results.end(),
                                  [&](Summary const& summary) { return summary.units == units; });
  return common && !units.empty() ? units.c_str() : nullptr;
}

void write_names(hid_t file, Dimension const& axis, std::vector<Summary> const& results) {
  write_texts(file, {"file", "name of the file", nullptr}, axis,
              column(results, [](Summary const& s) { return s.file; }));
  write_texts(file, {"path", "path of the dataset in its file", nullptr}, axis,
              column(results, [](Summary const& s) { return s.dataset; }));
  write_texts(file, {"source_units", "units attribute of the dataset", nullptr}, axis,
              column(results, [](Summary const& s) { return s.units; }));
  write_texts(file, {"applied", "attributes that were applied to the numbers", nullptr}, axis,
              column(results, [](Summary const& s) { return s.raw ? std::string() : s.packing; }));
  write_texts(file, {"not_applied", "attributes that were not: the numbers are raw", nullptr}, axis,
              column(results, [](Summary const& s) { return s.raw ? s.packing : std::string(); }));
}

void write_figures(hid_t file, Dimension const& axis, std::vector<Summary> const& results) {
  auto const count = column(results, [](Summary const& s) { return s.count; });
  auto const nonfinite = column(results, [](Summary const& s) { return s.nonfinite; });
  write(file, {"count", "number of finite values", "1"}, {&axis}, H5T_NATIVE_UINT64, count.data());
  write(file, {"nonfinite", "number of values that are NaN or infinite", "1"}, {&axis},
        H5T_NATIVE_UINT64, nonfinite.data());
  auto const masked = column(results, [](Summary const& s) { return s.masked; });
  write(file, {"masked", "number of values left out, as attributes ask", "1"}, {&axis},
        H5T_NATIVE_UINT64, masked.data());
  char const* units = common_units(results);
  write_figure(file, {"min", "smallest finite value, as float64", units}, axis, results,
               [](Summary const& s) { return s.min.to_double(); });
  write_figure(file, {"max", "largest finite value, as float64", units}, axis, results,
               [](Summary const& s) { return s.max.to_double(); });
  write_figure(file, {"mean", "mean of the finite values", units}, axis, results,
               [](Summary const& s) { return s.mean; });
  write_figure(file, {"std", "population standard deviation of the finite values", units}, axis,
               results, [](Summary const& s) { return s.std_dev; });
}

/// Both bounds of the datasets whose elements are of that kind, exactly; 0 for the others.
template <class Integer, class Get>
void write_integer(hid_t file, Description const& description, Dimension const& axis, hid_t type,
                   std::vector<Summary> const& results, Get const& get) {
  auto const values = column(results, [&](Summary const& summary) -> Integer {
    Number const number = get(summary);
    bool const is_of_kind = summary.count > 0 && number.kind() == Number(Integer{}).kind();
    return is_of_kind ? static_cast<Integer>(number.as_uint64()) : 0;
  });
  write(file, description, {&axis}, type, values.data());
}

char const* extremes_kind(Summary const& summary) {
  if (summary.count == 0) return "";
  switch (summary.min.kind()) {
    case ElementKind::kInt64:
      return "int64";
    case ElementKind::kUint64:
      return "uint64";
    default:
      return "float64";
  }
}

void write_exact_extremes(hid_t file, Dimension const& axis, std::vector<Summary> const& results) {
  char const* units = common_units(results);
  auto const min = [](Summary const& s) { return s.min; };
  auto const max = [](Summary const& s) { return s.max; };
  write_texts(file,
              {"extremes_kind",
               "where the exact min and max are: float64: in min and max; int64: in min_int64 and "
               "max_int64; uint64: in min_uint64 and max_uint64; empty: there are none",
               nullptr},
              axis,
              column(results, [](Summary const& s) { return std::string(extremes_kind(s)); }));
  write_integer<std::int64_t>(file,
                              {"min_int64", "smallest value of signed integers, exactly", units},
                              axis, H5T_NATIVE_INT64, results, min);
  write_integer<std::int64_t>(file,
                              {"max_int64", "largest value of signed integers, exactly", units},
                              axis, H5T_NATIVE_INT64, results, max);
  write_integer<std::uint64_t>(
      file, {"min_uint64", "smallest value of unsigned integers, exactly", units}, axis,
      H5T_NATIVE_UINT64, results, min);
  write_integer<std::uint64_t>(file,
                               {"max_uint64", "largest value of unsigned integers, exactly", units},
                               axis, H5T_NATIVE_UINT64, results, max);
}

void write_histograms(hid_t file, Dimension const& axis, std::vector<Summary> const& results) {
  std::size_t const bins = results.front().counts.size();
  Dimension const bin = make_dimension(file, "bin", bins);
  Dimension const edge = make_dimension(file, "edge", bins + 1);
  std::vector<std::uint64_t> counts;
  std::vector<double> edges;
  for (Summary const& summary : results) {
    counts.insert(counts.end(), summary.counts.begin(), summary.counts.end());
    edges.insert(edges.end(), summary.edges.begin(), summary.edges.end());
  }
  if (counts.size() != results.size() * bins || edges.size() != results.size() * (bins + 1)) {
    throw std::runtime_error("the results differ in their number of bins");
  }
  write(file, {"histogram_counts", "number of finite values in each bin", "1"}, {&axis, &bin},
        H5T_NATIVE_UINT64, counts.data());
  write(file, {"histogram_edges", "edges of the histogram's bins", common_units(results)},
        {&axis, &edge}, H5T_NATIVE_DOUBLE, edges.data());
}

void write_errors(hid_t file, std::vector<StatsError> const& errors) {
  Dimension const axis = make_dimension(file, "error", errors.size());
  write_texts(file, {"error_file", "file of the failure", nullptr}, axis,
              column(errors, [](StatsError const& e) { return e.file; }));
  write_texts(file, {"error_path", "dataset of the failure, empty for the file", nullptr}, axis,
              column(errors, [](StatsError const& e) { return e.dataset; }));
  write_texts(file, {"error_text", "what failed", nullptr}, axis,
              column(errors, [](StatsError const& e) { return e.error; }));
}

void write_origin(hid_t file, Origin const& origin) {
  std::string inputs;
  for (std::string const& input : origin.inputs) {
    if (!inputs.empty()) inputs += '\n';
    inputs += input;
  }
  set_attribute(file, "title", origin.title);
  set_attribute(file, "history", origin.start_time + ": " + origin.command_line);
  set_attribute(file, "command_line", origin.command_line);
  set_attribute(file, "cohort_version", origin.version);
  set_attribute(file, "host", origin.host);
  set_attribute(file, "user", origin.user);
  set_attribute(file, "start_time", origin.start_time);
  set_attribute(file, "hdf5_version", hdf5_version());
  set_attribute(file, "inputs", inputs);
}

}  // namespace

void write_hdf5(std::string const& path, std::vector<Summary> const& results,
                std::vector<StatsError> const& errors, Origin const& origin) {
  silence_hdf5();
  FileHandle const file = create_image();
  write_origin(file.get(), origin);
  if (!results.empty()) {  // an axis of length 0 would be an unlimited one to netCDF
    Dimension const axis = make_dimension(file.get(), "dataset", results.size());
    write_names(file.get(), axis, results);
    write_figures(file.get(), axis, results);
    write_exact_extremes(file.get(), axis, results);
    if (!results.front().counts.empty()) write_histograms(file.get(), axis, results);
  }
  if (!errors.empty()) write_errors(file.get(), errors);
  write_whole_file(path, image_of(file.get()));
}

}  // namespace cohort::stats
