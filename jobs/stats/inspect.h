// What an object in an HDF5 file is, and in words why it is not a numeric dataset.
// Used by discovery.cpp and virtual_sources.cpp; throws std::runtime_error with one line.
#pragma once

#include <string>

#include <hdf5.h>

#include "jobs/stats/discovery.h"

namespace cohort::stats {

struct Inspection {
  DatasetInfo info;
  /// A netCDF dimension that has no variable, and so no values of its own.
  bool placeholder = false;
};

/// Throws when the path leads nowhere, to something that is no numeric dataset, or to one that
/// was encoded with a filter that is not available, or is virtual with a source that is missing.
[[nodiscard]] Inspection inspect(hid_t file, std::string const& file_name, std::string const& path);

/// Why `path` cannot be opened: which link is missing or broken.
[[nodiscard]] std::string explain_missing(hid_t file, std::string const& path);

}  // namespace cohort::stats
