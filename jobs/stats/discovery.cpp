#include "jobs/stats/discovery.h"

#include <exception>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <sys/stat.h>

#include "jobs/stats/classic_reader.h"
#include "jobs/stats/file_format.h"
#include "jobs/stats/hdf5_handle.h"
#include "jobs/stats/walk.h"

namespace cohort::stats {
namespace {

bool is_regular_file(std::string const& path) {
  struct ::stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

bool is_file(std::string const& path) {
  struct ::stat status {};
  return ::stat(path.c_str(), &status) == 0 && !S_ISDIR(status.st_mode);
}

bool exists(std::string const& path) {
  struct ::stat status {};
  return ::stat(path.c_str(), &status) == 0;
}

void append(Discovery& into, Discovery&& one) {
  std::move(one.datasets.begin(), one.datasets.end(), std::back_inserter(into.datasets));
  std::move(one.errors.begin(), one.errors.end(), std::back_inserter(into.errors));
  std::move(one.skipped.begin(), one.skipped.end(), std::back_inserter(into.skipped));
}

/// A field of a dataset: "/a/dataset.field"; nothing where the path is none.
std::optional<Discovery> discover_field(Walk& walk, std::string const& path) {
  for (auto dot = path.rfind('.'); dot != std::string::npos && dot > 0;
       dot = path.rfind('.', dot - 1)) {
    std::string const dataset = path.substr(0, dot);
    if (!walk.leads_somewhere(dataset)) continue;
    Discovery found = walk.all_of(dataset);
    auto const is_other = [&](auto const& item) {
      return item.dataset != path && !item.dataset.starts_with(path + ".");
    };
    std::erase_if(found.datasets, is_other);
    std::erase_if(found.skipped, is_other);
    if (found.datasets.empty() && found.skipped.empty() && found.errors.empty()) {
      throw std::runtime_error(
          fmt::format("no such dataset, nor a field {} of {}", path.substr(dot + 1), dataset));
    }
    return found;
  }
  return std::nullopt;
}

}  // namespace

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
    if (is_regular_file(argument.file) && is_netcdf_classic(head_of(argument.file))) {
      return discover_classic(argument);
    }
    Walk walk(open_for_reading(argument.file), argument.file);
    std::string const path = argument.dataset.empty() ? "/" : argument.dataset;
    if (!walk.leads_somewhere(path)) {
      if (auto field = discover_field(walk, path)) return *std::move(field);
    }
    return walk.all_of(path);
  } catch (std::exception const& error) {
    discovery.errors.push_back({argument.file, argument.dataset, error.what()});
  }
  return discovery;
}

Discovery discover(std::vector<std::string> const& arguments) {
  Discovery all;
  for (std::string const& argument : arguments) append(all, discover(argument));
  return all;
}

}  // namespace cohort::stats
