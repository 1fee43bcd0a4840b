#include "jobs/stats/inspect.h"

#include <stdexcept>
#include <string_view>

#include <fmt/format.h>
#include <hdf5_hl.h>

#include "jobs/stats/element_type.h"
#include "jobs/stats/filters.h"
#include "jobs/stats/hdf5_handle.h"
#include "jobs/stats/raw_files.h"
#include "jobs/stats/storage.h"
#include "jobs/stats/virtual_sources.h"

namespace cohort::stats {
namespace {

constexpr std::string_view kPlaceholder = "This is a netCDF dimension but not a netCDF variable.";

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
  info.filtered = check_hdf5(H5Pget_nfilters(creation.get()), "H5Pget_nfilters") > 0;
  if (H5Dget_storage_size(dataset) > 0) require_filters(creation.get());
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

std::string suffix_of(Field const& field) {
  return field.empty() ? "" : fmt::format(".{}", name_of(field));
}

std::string describe_link(hid_t file, std::string const& path, H5L_info_t const& link) {
  std::vector<char> value(link.u.val_size + 1);
  H5Lget_val(file, path.c_str(), value.data(), link.u.val_size, H5P_DEFAULT);
  if (link.type == H5L_TYPE_SOFT) return fmt::format("a dangling soft link to {}", value.data());
  if (link.type != H5L_TYPE_EXTERNAL) {
    return fmt::format("a user-defined link of class {}, which only its own program can follow",
                       static_cast<int>(link.type));
  }
  unsigned flags = 0;
  char const* target_file = "?";
  char const* target_path = "?";
  H5Lunpack_elink_val(value.data(), link.u.val_size, &flags, &target_file, &target_path);
  return fmt::format("a broken external link to {}:{}", target_file, target_path);
}

}  // namespace

std::string explain_missing(hid_t file, std::string const& path) {
  for (std::size_t end = 0; end != std::string::npos;) {
    end = path.find('/', end + 1);
    std::string const part = path.substr(0, end);
    if (part.empty() || part == "." || part.back() == '/') continue;
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
  return "";
}

Inspection inspect(hid_t dataset, std::string const& file_name) {
  Inspection found;
  found.placeholder = is_placeholder(dataset);
  TypeHandle const type(H5Dget_type(dataset), "H5Dget_type");
  ElementParts const parts = parts_of(type.get());
  for (OtherPart const& part : parts.other) {
    found.others.push_back({"", suffix_of(part.field), part.what});
  }
  if (parts.numeric.empty()) {
    if (parts.other.empty()) found.others.push_back({"", "", "a compound without members"});
    return found;
  }
  DatasetInfo common;
  common.shape = shape_of(dataset);
  common.units = units_of(dataset);
  read_storage(dataset, common);
  FileHandle const file(H5Iget_file_id(dataset), "H5Iget_file_id");
  require_virtual_sources(file.get(), file_name, dataset);
  require_raw_files(dataset);
  for (NumericPart const& part : parts.numeric) {
    DatasetInfo& info = found.parts.emplace_back(common);
    info.dataset = suffix_of(part.field);
    info.type = part.type;
    info.kind = part.kind;
    info.field = part.field;
    info.access = part.variable_length ? Access::kVariableLength
                  : part.plain         ? Access::kNumbers
                                       : Access::kParts;
    for (std::uint64_t const extent : part.shape) info.per_element *= extent;
    // The attributes speak of whole elements.
    if (part.plain) info.packing = packing_of(dataset, part.kind, type.get());
  }
  return found;
}

}  // namespace cohort::stats
