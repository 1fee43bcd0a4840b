// What the program shows of its results: a table for people, JSON and HDF5 for programs.
// Each takes the whole report, in the order of the arguments.
#pragma once

#include <cstddef>
#include <ostream>
#include <string>
#include <vector>

#include "jobs/stats/discovery.h"
#include "jobs/stats/summary.h"

namespace cohort::stats {

struct Report;

/// Where an output came from.
struct Origin {
  std::string title = "Statistics of HDF5 and netCDF datasets";
  std::string command_line;
  std::string version;  ///< of cohort
  std::string host;     ///< where the master ran
  std::string user;
  std::string start_time;  ///< ISO 8601, as "2026-01-31T12:00:00Z"
  std::vector<std::string> inputs;
};

/// Aligned columns under a line for each file, a small histogram (UTF-8 blocks) at the end of each
/// row; below, one line for each error and for each thing that was skipped. Rows keep to `width`
/// columns (0: as wide as they come): the histogram shrinks first, then a row becomes several
/// lines.
void print_table(std::ostream& out, Report const& report, std::size_t width = 0);

/// The histogram in at most `cells` characters, each for equally many bins: neither a bin nor a
/// value is counted in part where that can be, so that equal counts show as equal. For integers a
/// cell shows the mean count of the integers that it can hold.
[[nodiscard]] std::string sparkline(Summary const& summary, std::size_t cells);

/// Prints valid JSON (UTF-8) and a line break:
///   {"provenance": {"program", "version", "hdf5_version", "command_line", "host", "user",
///                   "start_time", "inputs"},
///    "datasets": [{"file", "dataset", "type", "shape", "units", "count", "nonfinite", "masked",
///                  "min", "max", "mean", "std", "histogram": {"edges", "counts"},
///                  "applied" or "not_applied", "same_as"}],
///    "errors": [{"file", "dataset", "error"}], "skipped": [{"file", "dataset", "reason"}]}
/// `count` is the number of finite values, `std` the population's. `applied` or, with --raw,
/// `not_applied` says which attributes have a say in the values, and stands only where any has;
/// `same_as` only where the dataset was read under that other name. Doubles read back to the same
/// bits; integer datasets have exact integers for min and max. Without finite values these four are
/// null.
void print_json(std::ostream& out, Report const& report, Origin const& origin);

/// Writes a file that netCDF-4 tools, xarray and Octave open. The root has numbers alone, one
/// variable for each figure along the dimension `dataset`, the histograms along `dataset` x `bin`
/// and `dataset` x `edge`. The texts are in the group `zz_cohort`, since Octave's load reads names
/// in their order and stops at the first text: `file`, `path`, `source_units`, … along `dataset`,
/// what failed along `error`, what was skipped along `skipped`. All results have the same number
/// of bins. `min` and `max` are doubles for all; `extremes_kind` says where they are exactly.
/// Floats have NaN where there is no figure, as _FillValue; integers have none, for which tools
/// would make them doubles.
/// The file appears under its name when it is whole and on disk, or not at all: then
/// std::runtime_error says which call failed and why.
void write_hdf5(std::string const& path, Report const& report, Origin const& origin);

}  // namespace cohort::stats
