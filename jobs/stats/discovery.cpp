#include "jobs/stats/discovery.h"

#include <algorithm>
#include <exception>
#include <map>
#include <stdexcept>

#include <fmt/format.h>
#include <sys/stat.h>

#include "jobs/stats/hdf5_handle.h"
#include "jobs/stats/inspect.h"

namespace cohort::stats {
namespace {

bool is_file(std::string const& path) {
  struct ::stat status {};
  return ::stat(path.c_str(), &status) == 0 && !S_ISDIR(status.st_mode);
}

bool exists(std::string const& path) {
  struct ::stat status {};
  return ::stat(path.c_str(), &status) == 0;
}

enum class Reached { kDataset, kExternalLink, kSoftLink };

/// What the visits found; an exception must not pass through HDF5's C frames.
struct Found {
  std::map<std::string, Reached> paths;
  std::exception_ptr failure;

  herr_t note(char const* name, Reached how) noexcept {
    try {
      paths.emplace(fmt::format("/{}", name), how);
      return 0;
    } catch (...) {
      failure = std::current_exception();
      return -1;
    }
  }
};

herr_t note_object(hid_t, char const* name, H5O_info_t const* info, void* found) noexcept {
  if (info->type != H5O_TYPE_DATASET) return 0;
  return static_cast<Found*>(found)->note(name, Reached::kDataset);
}

herr_t note_link(hid_t, char const* name, H5L_info_t const* info, void* found) noexcept {
  if (info->type == H5L_TYPE_HARD) return 0;
  bool const soft = info->type == H5L_TYPE_SOFT;
  return static_cast<Found*>(found)->note(name, soft ? Reached::kSoftLink : Reached::kExternalLink);
}

void discover_named(hid_t file, Argument const& argument, Discovery& into) {
  Inspection found = inspect(file, argument.file, argument.dataset);
  if (found.placeholder) throw std::runtime_error("a netCDF dimension without values");
  into.datasets.push_back(std::move(found.info));
}

/// Appends the dataset, or the reason why it is left out.
void discover_path(hid_t file, Argument const& argument, std::string const& path, Reached how,
                   Discovery& into) {
  try {
    if (how == Reached::kSoftLink) {  // what it points to is found by its hard link
      if (H5Oexists_by_name(file, path.c_str(), H5P_DEFAULT) > 0) return;
      throw std::runtime_error(explain_missing(file, path));
    }
    Inspection found = inspect(file, argument.file, path);
    if (!found.placeholder) into.datasets.push_back(std::move(found.info));
  } catch (std::exception const& error) {
    into.errors.push_back({argument.file, path, error.what()});
  }
}

void discover_all(hid_t file, Argument const& argument, Discovery& into) {
  Found found;
  std::string broken;
  if (H5Ovisit2(file, H5_INDEX_NAME, H5_ITER_INC, &note_object, &found, H5O_INFO_BASIC) < 0) {
    broken = hdf5_error_text();
  }
  if (!found.failure && H5Lvisit(file, H5_INDEX_NAME, H5_ITER_INC, &note_link, &found) < 0 &&
      broken.empty()) {
    broken = hdf5_error_text();
  }
  if (found.failure) std::rethrow_exception(found.failure);
  for (auto const& [path, how] : found.paths) discover_path(file, argument, path, how, into);
  if (!broken.empty()) {
    into.errors.push_back(
        {argument.file, "", fmt::format("not all of it can be listed: {}", broken)});
  } else if (found.paths.empty()) {
    into.errors.push_back({argument.file, "", "it has no datasets"});
  }
}

}  // namespace

std::string one_line(std::string_view text) {
  std::string line;
  while (!text.empty()) {
    auto const end = std::min(text.find_first_of("\n\r"), text.size());
    auto const part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (part.empty()) continue;
    if (!line.empty()) line += " | ";
    for (char const c : part) {
      bool const control = static_cast<unsigned char>(c) < ' ' || c == 0x7f;
      line += control ? ' ' : c;
    }
  }
  return line;
}

Argument split_argument(std::string const& argument) {
  if (is_file(argument)) return {argument, ""};
  for (auto colon = argument.rfind(':'); colon != std::string::npos && colon > 0;
       colon = argument.rfind(':', colon - 1)) {
    std::string const file = argument.substr(0, colon);
    if (!is_file(file)) continue;
    std::string dataset = argument.substr(colon + 1);
    if (!dataset.starts_with('/')) dataset = fmt::format("/{}", dataset);
    return {file, dataset};
  }
  auto const colon = argument.rfind(":/");
  if (exists(argument) || colon == std::string::npos || colon == 0) return {argument, ""};
  return {argument.substr(0, colon), argument.substr(colon + 1)};
}

Discovery discover(std::string const& text) {
  Discovery discovery;
  Argument const argument = split_argument(text);
  try {
    FileHandle const file = open_for_reading(argument.file);
    if (argument.dataset.empty()) {
      discover_all(file.get(), argument, discovery);
    } else {
      discover_named(file.get(), argument, discovery);
    }
  } catch (std::exception const& error) {
    discovery.errors.push_back({argument.file, argument.dataset, error.what()});
  }
  return discovery;
}

Discovery discover(std::vector<std::string> const& arguments) {
  Discovery all;
  for (std::string const& argument : arguments) {
    Discovery one = discover(argument);
    std::move(one.datasets.begin(), one.datasets.end(), std::back_inserter(all.datasets));
    std::move(one.errors.begin(), one.errors.end(), std::back_inserter(all.errors));
  }
  return all;
}

}  // namespace cohort::stats
