#include "jobs/stats/virtual_sources.h"

#include <optional>
#include <set>
#include <stdexcept>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "jobs/stats/hdf5_handle.h"
#include "jobs/stats/inspect.h"
#include "jobs/stats/source_file.h"

namespace cohort::stats {
namespace {

/// Sources of sources of ...: a dataset that is its own source must not go on for ever.
constexpr unsigned kDeepest = 16;

/// The name with "%%" as '%'; nothing for a pattern, which has "%b" or "%<digits>b".
std::optional<std::string> plain_name(std::string_view name) {
  std::string plain;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '%' && i + 1 < name.size()) {
      auto const after = name.find_first_not_of("0123456789", i + 1);
      if (after != std::string_view::npos && name[after] == 'b') return std::nullopt;
      if (name[i + 1] == '%') ++i;
    }
    plain += name[i];
  }
  return plain;
}

/// Reads a name by HDF5's rule: once for its length, once for its text.
std::string name_of(hid_t creation, std::size_t index,
                    ssize_t (*get)(hid_t, std::size_t, char*, std::size_t), char const* call) {
  ssize_t const size = check_hdf5(get(creation, index, nullptr, 0), call);
  std::string name(static_cast<std::size_t>(size) + 1, '\0');
  check_hdf5(get(creation, index, name.data(), name.size()), call);
  name.resize(static_cast<std::size_t>(size));
  return name;
}

void require(hid_t file, std::string const& file_name, hid_t dataset, unsigned depth);

void require_one(hid_t file, std::string const& file_name, std::string const& source_file,
                 std::string const& source, unsigned depth) {
  if (depth == kDeepest) throw std::runtime_error("its sources lead through too many datasets");
  try {
    SourceFile opened;
    hid_t in = file;
    if (source_file != ".") {
      opened = open_source(source_file, file_name, "HDF5_VDS_PREFIX");
      in = opened.file.get();
    }
    hid_t const id = H5Dopen2(in, source.c_str(), H5P_DEFAULT);
    if (id < 0) {
      std::string const why = hdf5_error_text();
      std::string const missing = explain_missing(in, source);
      throw std::runtime_error(missing.empty() ? "it cannot be opened: " + why : missing);
    }
    DatasetHandle const opened_source(id, "H5Dopen2");
    require(in, opened.file ? opened.name : file_name, id, depth + 1);
  } catch (std::runtime_error const& error) {
    throw std::runtime_error(fmt::format("its source {}:{} cannot be read: {}",
                                         source_file == "." ? file_name : source_file, source,
                                         error.what()));
  }
}

void require(hid_t file, std::string const& file_name, hid_t dataset, unsigned depth) {
  PropertyHandle const creation(H5Dget_create_plist(dataset), "H5Dget_create_plist");
  if (H5Pget_layout(creation.get()) != H5D_VIRTUAL) return;
  std::size_t count = 0;
  check_hdf5(H5Pget_virtual_count(creation.get(), &count), "H5Pget_virtual_count");
  std::set<std::pair<std::string, std::string>> seen;
  for (std::size_t i = 0; i < count; ++i) {
    auto const source_file =
        plain_name(name_of(creation.get(), i, &H5Pget_virtual_filename, "H5Pget_virtual_filename"));
    auto const source =
        plain_name(name_of(creation.get(), i, &H5Pget_virtual_dsetname, "H5Pget_virtual_dsetname"));
    if (!source_file || !source || !seen.emplace(*source_file, *source).second) continue;
    require_one(file, file_name, *source_file, *source, depth);
  }
}

}  // namespace

void require_virtual_sources(hid_t file, std::string const& file_name, hid_t dataset) {
  require(file, file_name, dataset, 0);
}

}  // namespace cohort::stats
