// The final figures of one dataset, from the partials of both passes over it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "jobs/stats/discovery.h"
#include "jobs/stats/extent.h"
#include "jobs/stats/moments.h"
#include "jobs/stats/number.h"

namespace cohort::stats {

/// Figures over the finite values; where count == 0 there are none, and the reports show null,
/// NaN or "-" for min, max, mean and std.
struct Summary {
  std::string file;
  std::string dataset;
  std::string units;    ///< the dataset's attribute, or ""
  std::string packing;  ///< what its attributes say of its numbers, or ""
  bool raw = false;     ///< the numbers are taken as they are stored all the same
  std::string type;     ///< of an element, in words
  std::vector<std::uint64_t> shape;
  std::string same_as;          ///< the name under which it was read, if not under this one
  std::uint64_t count = 0;      ///< finite values
  std::uint64_t nonfinite = 0;  ///< NaN and infinities
  std::uint64_t masked = 0;     ///< left out, as the dataset's attributes ask
  Number min;                   ///< exact: integers stay integers
  Number max;
  double mean = 0;
  double std_dev = 0;  ///< of the population: divided by count
  std::vector<double>
      edges;  ///< bins + 1; from 0 to 1 when count == 0, as numpy's; none of no bins
  std::vector<std::uint64_t> counts;
};

/// Puts the parts of both passes together; `counts` is empty where there was no second one. Throws
/// std::runtime_error when that saw another number of values than the first: the file changed.
[[nodiscard]] Summary finish(DatasetInfo const& info, Extent const& extent, Moments const& moments,
                             std::uint32_t bins, std::vector<std::uint64_t> counts);

/// 0: all done; 1: some inputs failed, the rest was done; 2: nothing could be done.
[[nodiscard]] int exit_code(std::vector<Summary> const& results,
                            std::vector<StatsError> const& errors) noexcept;

}  // namespace cohort::stats
