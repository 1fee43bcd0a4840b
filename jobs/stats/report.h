// What the program shows of its results: a table for people, JSON and HDF5 for programs.
// Each takes all results and all errors, in the order of the arguments.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "jobs/stats/discovery.h"
#include "jobs/stats/summary.h"

namespace cohort::stats {

/// Aligned columns under a line for each file, a small histogram (UTF-8 blocks) at the end of each
/// row, and the errors below. About 110 columns wide unless names or integers are longer.
void print_table(std::ostream& out, std::vector<Summary> const& results,
                 std::vector<StatsError> const& errors);

/// Valid JSON (UTF-8) and a line break:
///   {"datasets": [{"file", "dataset", "count", "nonfinite", "masked", "min", "max", "mean", "std",
///                  "histogram": {"edges", "counts"}, "applied", "not_applied"}],
///    "errors": [{"file", "dataset", "error"}]}
/// `count` is the number of finite values, `std` the population's. `applied` or, with --raw,
/// `not_applied` says which attributes have a say in the values, and stands only where any has.
/// Doubles read back to the same bits; integer datasets have exact integers for min and max.
/// Without finite values these four are null. Bytes of names that are not UTF-8 become U+FFFD.
void print_json(std::ostream& out, std::vector<Summary> const& results,
                std::vector<StatsError> const& errors);
[[nodiscard]] std::string to_json(std::vector<Summary> const& results,
                                  std::vector<StatsError> const& errors);

/// Where an output came from; written as global attributes.
struct Origin {
  std::string title = "Statistics of HDF5 datasets";
  std::string command_line;
  std::string version;  ///< of cohort
  std::string host;     ///< where the master ran
  std::string user;
  std::string start_time;  ///< ISO 8601, as "2026-01-31T12:00:00Z"
  std::vector<std::string> inputs;
};

/// Writes a file that netCDF-4 tools and xarray open: one variable for each figure along the
/// dimension `dataset`, the histograms along `dataset` x `bin` and `dataset` x `edge`, the errors
/// along `error`. All results have the same number of bins. `min` and `max` are doubles for all;
/// `extremes_kind` says where they are exactly: "float64": there; "int64": in `min_int64` and
/// `max_int64`; "uint64": in `min_uint64` and `max_uint64`; "": there are no finite values. These
/// have 0 for the other datasets, and no _FillValue, for which tools would make them doubles.
/// The file appears under its name when it is whole and on disk, or not at all: then
/// std::runtime_error says which call failed and why.
void write_hdf5(std::string const& path, std::vector<Summary> const& results,
                std::vector<StatsError> const& errors, Origin const& origin);

}  // namespace cohort::stats
