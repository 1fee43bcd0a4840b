#include "jobs/stats/source_file.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <vector>

namespace cohort::stats {
namespace {

namespace fs = std::filesystem;

/// HDF5's H5F_prefix_open_file.
std::vector<fs::path> candidates(fs::path const& name, fs::path const& from, char const* variable) {
  std::vector<fs::path> paths;
  if (name.is_absolute()) paths.push_back(name);
  auto const relative = name.is_absolute() ? name.filename() : name;
  auto const folder = from.parent_path();
  if (char const* const prefixes = std::getenv(variable)) {
    std::string_view rest = prefixes;
    while (!rest.empty()) {
      std::string prefix(rest.substr(0, rest.find(':')));
      rest.remove_prefix(std::min(prefix.size() + 1, rest.size()));
      constexpr std::string_view kOrigin = "${ORIGIN}";
      if (prefix.starts_with(kOrigin)) prefix.replace(0, kOrigin.size(), folder.string());
      if (!prefix.empty()) paths.push_back(fs::path(prefix) / relative);
    }
  }
  paths.push_back(folder / relative);
  paths.push_back(relative);
  std::error_code unresolved;
  auto const actual = fs::canonical(from, unresolved);
  if (!unresolved) paths.push_back(actual.parent_path() / relative);
  return paths;
}

}  // namespace

SourceFile open_source(std::string const& name, std::string const& from, char const* prefixes) {
  std::optional<std::string> why;
  for (auto const& path : candidates(name, from, prefixes)) {
    std::error_code unknown;
    if (!fs::exists(path, unknown) && !unknown) continue;
    try {
      return {open_for_reading(path.string()), path.string()};
    } catch (std::runtime_error const& error) {
      if (!why) why = error.what();
    }
  }
  throw std::runtime_error(why.value_or("there is no such file"));
}

}  // namespace cohort::stats
