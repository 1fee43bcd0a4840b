// What a dataset of an HDF5 file holds. Throws std::runtime_error with one line.
#pragma once

#include <string>
#include <vector>

#include <hdf5.h>

#include "jobs/stats/discovery.h"

namespace cohort::stats {

struct Inspection {
  /// Its numbers: one entry, or one for each field. `dataset` has the field alone, ".a.b" or "";
  /// who asked knows the names of the file and of the dataset.
  std::vector<DatasetInfo> parts;
  /// What else it holds, in words, with `dataset` like above.
  std::vector<Skipped> others;
  /// A netCDF dimension that has no variable, and so no values of its own.
  bool placeholder = false;
};

/// `file_name` is what the dataset's file was opened by. Throws where it has numbers that cannot
/// be read: a filter, a source of a virtual dataset or a raw file is missing, or cut short.
[[nodiscard]] Inspection inspect(hid_t dataset, std::string const& file_name);

/// Why `path` cannot be opened: which link is missing or broken; "" where all links are good.
/// `file` may be a group, for a path that begins there.
[[nodiscard]] std::string explain_missing(hid_t file, std::string const& path);

}  // namespace cohort::stats
