#include "jobs/stats/inspect.h"

#include <array>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <hdf5_hl.h>

#include "jobs/stats/hdf5_handle.h"
#include "jobs/stats/storage.h"
#include "jobs/stats/virtual_sources.h"

namespace cohort::stats {
namespace {

constexpr std::string_view kPlaceholder = "This is a netCDF dimension but not a netCDF variable.";

std::string kind_of_type(hid_t type, H5T_class_t type_class) {
  switch (type_class) {
    case H5T_STRING:
      return H5Tis_variable_str(type) > 0 ? "variable-length string" : "string";
    case H5T_COMPOUND:
      return "compound";
    case H5T_VLEN:
      return "variable-length";
    case H5T_ARRAY:
      return "array";
    case H5T_OPAQUE:
      return "opaque";
    case H5T_BITFIELD:
      return "bitfield";
    case H5T_REFERENCE:
      return "reference";
    case H5T_TIME:
      return "time";
    default:
      return "unknown type";
  }
}

/// Enumerations (HDF5's booleans too) count as the integers that they are stored as.
ElementKind element_kind(hid_t type) {
  H5T_class_t const type_class = check_hdf5(H5Tget_class(type), "H5Tget_class");
  if (type_class == H5T_ENUM) {
    TypeHandle const base(H5Tget_super(type), "H5Tget_super");
    return element_kind(base.get());
  }
  std::size_t const size = H5Tget_size(type);
  if (type_class == H5T_FLOAT) return size <= 4 ? ElementKind::kFloat : ElementKind::kDouble;
  if (type_class != H5T_INTEGER) {
    throw std::runtime_error("not numeric: " + kind_of_type(type, type_class));
  }
  if (size > 8)
    throw std::runtime_error(fmt::format("integers of {} bytes are not supported", size));
  return check_hdf5(H5Tget_sign(type), "H5Tget_sign") == H5T_SGN_NONE ? ElementKind::kUint64
                                                                      : ElementKind::kInt64;
}

std::vector<std::uint64_t> shape_of(hid_t dataset) {
  SpaceHandle const space(H5Dget_space(dataset), "H5Dget_space");
  if (H5Sget_simple_extent_type(space.get()) == H5S_NULL) return {0};
  int const rank =
      check_hdf5(H5Sget_simple_extent_ndims(space.get()), "H5Sget_simple_extent_ndims");
  std::vector<hsize_t> shape(static_cast<std::size_t>(rank));
  check_hdf5(H5Sget_simple_extent_dims(space.get(), shape.data(), nullptr),
             "H5Sget_simple_extent_dims");
  return {shape.begin(), shape.end()};
}

void require_filters(hid_t creation, int count) {
  for (int i = 0; i < count; ++i) {
    unsigned flags = 0;
    unsigned config = 0;
    std::size_t values = 0;
    std::array<char, 128> name{};
    H5Z_filter_t const id =
        check_hdf5(H5Pget_filter2(creation, static_cast<unsigned>(i), &flags, &values, nullptr,
                                  name.size(), name.data(), &config),
                   "H5Pget_filter2");
    if (H5Zfilter_avail(id) > 0) continue;
    std::string label = name[0] == '\0' ? "unnamed" : std::string(name.data());
    throw std::runtime_error(fmt::format(
        "filter {} ({}) is not available: HDF5 found no plugin for it (see HDF5_PLUGIN_PATH)", id,
        label));
  }
}

void read_storage(hid_t dataset, DatasetInfo& info) {
  PropertyHandle const creation(H5Dget_create_plist(dataset), "H5Dget_create_plist");
  require_countable(info.shape);
  if (H5Pget_layout(creation.get()) != H5D_CHUNKED) {
    info.stored_chunks = stored_chunks(dataset, creation.get(), info.shape, {});
    return;
  }
  std::vector<hsize_t> chunk(info.shape.size());
  check_hdf5(H5Pget_chunk(creation.get(), static_cast<int>(chunk.size()), chunk.data()),
             "H5Pget_chunk");
  info.chunk.assign(chunk.begin(), chunk.end());
  info.stored_chunks = stored_chunks(dataset, creation.get(), info.shape, info.chunk);
  int const filters = check_hdf5(H5Pget_nfilters(creation.get()), "H5Pget_nfilters");
  info.filtered = filters > 0;
  if (H5Dget_storage_size(dataset) > 0) require_filters(creation.get(), filters);
}

std::string read_units(hid_t dataset) {
  if (H5Aexists(dataset, "units") <= 0) return "";
  AttributeHandle const attribute(H5Aopen(dataset, "units", H5P_DEFAULT), "H5Aopen");
  TypeHandle const type(H5Aget_type(attribute.get()), "H5Aget_type");
  SpaceHandle const space(H5Aget_space(attribute.get()), "H5Aget_space");
  if (H5Tget_class(type.get()) != H5T_STRING || H5Sget_simple_extent_npoints(space.get()) != 1) {
    return "";
  }
  if (H5Tis_variable_str(type.get()) > 0) {
    char* text = nullptr;
    check_hdf5(H5Aread(attribute.get(), type.get(), &text), "H5Aread");
    std::string const units = text == nullptr ? "" : text;
    H5free_memory(text);
    return units;
  }
  std::string units(H5Tget_size(type.get()), '\0');
  check_hdf5(H5Aread(attribute.get(), type.get(), units.data()), "H5Aread");
  units.resize(std::string_view(units).find_last_not_of(std::string_view(" \0", 2)) + 1);
  return units;
}

/// The attribute "units" where it is one string that can be read, else "": a description, never a
/// failure.
std::string units_of(hid_t dataset) {
  try {
    return read_units(dataset);
  } catch (std::runtime_error const&) {
    return "";
  }
}

bool is_placeholder(hid_t dataset) {
  if (H5DSis_scale(dataset) <= 0) return false;
  std::string name(kPlaceholder.size() + 1, '\0');
  if (H5DSget_scale_name(dataset, name.data(), name.size()) <= 0) return false;
  return std::string_view(name).starts_with(kPlaceholder);
}

std::string describe_link(hid_t file, std::string const& path, H5L_info_t const& link) {
  std::vector<char> value(link.u.val_size + 1);
  H5Lget_val(file, path.c_str(), value.data(), link.u.val_size, H5P_DEFAULT);
  if (link.type == H5L_TYPE_SOFT) return fmt::format("a dangling soft link to {}", value.data());
  unsigned flags = 0;
  char const* target_file = "?";
  char const* target_path = "?";
  if (link.type == H5L_TYPE_EXTERNAL) {
    H5Lunpack_elink_val(value.data(), link.u.val_size, &flags, &target_file, &target_path);
  }
  return fmt::format("a broken external link to {}:{}", target_file, target_path);
}

}  // namespace

std::string explain_missing(hid_t file, std::string const& path) {
  for (std::size_t end = 0; end != std::string::npos;) {
    end = path.find('/', end + 1);
    std::string const part = path.substr(0, end);
    if (part.empty() || part.back() == '/') continue;
    H5L_info_t link{};
    if (H5Lexists(file, part.c_str(), H5P_DEFAULT) <= 0 ||
        H5Lget_info(file, part.c_str(), &link, H5P_DEFAULT) < 0) {
      return part == path ? "no such dataset"
                          : fmt::format("no such dataset: there is no {}", part);
    }
    if (link.type != H5L_TYPE_HARD && H5Oexists_by_name(file, part.c_str(), H5P_DEFAULT) <= 0) {
      return describe_link(file, part, link);
    }
  }
  return "it cannot be opened";
}

Inspection inspect(hid_t file, std::string const& file_name, std::string const& path) {
  ObjectHandle object;
  hid_t const id = H5Oopen(file, path.c_str(), H5P_DEFAULT);
  if (id < 0) {
    std::string const reason = hdf5_error_text();
    std::string const explained = explain_missing(file, path);
    throw std::runtime_error(explained == "it cannot be opened" ? explained + ": " + reason
                                                                : explained);
  }
  object = ObjectHandle(id, "H5Oopen");
  if (H5Iget_type(id) == H5I_GROUP) throw std::runtime_error("a group, not a dataset");
  if (H5Iget_type(id) != H5I_DATASET) throw std::runtime_error("a named type, not a dataset");
  Inspection found;
  found.placeholder = is_placeholder(id);
  found.info.file = file_name;
  found.info.dataset = path;
  TypeHandle const type(H5Dget_type(id), "H5Dget_type");
  found.info.kind = element_kind(type.get());
  found.info.shape = shape_of(id);
  found.info.units = units_of(id);
  found.info.packing = packing_of(id, found.info.kind, type.get());
  read_storage(id, found.info);
  require_virtual_sources(file, file_name, id);
  return found;
}

}  // namespace cohort::stats
