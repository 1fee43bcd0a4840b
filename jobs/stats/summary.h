// The final figures of one dataset, and the two passes one after the other in this process.
// The distributed program does the same with scan_extent and scan_spread on its workers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "jobs/stats/extent.h"
#include "jobs/stats/number.h"
#include "jobs/stats/plan.h"
#include "jobs/stats/source.h"
#include "jobs/stats/spread.h"

namespace cohort::stats {

/// Figures over the finite values; where count == 0 there are none, and the reports show null,
/// NaN or "-" for min, max, mean and std.
struct Summary {
  std::string file;
  std::string dataset;
  std::string units;            ///< the source's attribute, or ""
  std::uint64_t count = 0;      ///< finite values
  std::uint64_t nonfinite = 0;  ///< NaN and infinities
  Number min;                   ///< exact: integers stay integers
  Number max;
  double mean = 0;
  double std_dev = 0;         ///< of the population: divided by count
  std::vector<double> edges;  ///< bins + 1; from 0 to 1 when count == 0, as numpy's
  std::vector<std::uint64_t> counts;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& file& dataset& units& count& nonfinite& min& max& mean& std_dev& edges& counts;
  }
};

/// Puts the partials of all blocks together. Throws std::runtime_error when the second pass saw
/// another number of values than the first: the file changed between them.
[[nodiscard]] Summary finish(Source const& source, Extent const& extent, SpreadInput const& input,
                             Spread const& spread);

/// The figures of a dataset without finite values: no second pass is needed.
[[nodiscard]] Summary finish_empty(Source const& source, Extent const& extent, std::uint32_t bins);

/// Both passes over all blocks in this process. Throws as the scans do.
[[nodiscard]] Summary summarize(Source const& source, std::uint32_t bins, BlockLimits limits = {});

/// 0: all done; 1: some inputs failed, the rest was done; 2: nothing could be done.
[[nodiscard]] int exit_code(std::vector<Summary> const& results,
                            std::vector<StatsError> const& errors) noexcept;

}  // namespace cohort::stats
