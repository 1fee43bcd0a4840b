#include "jobs/stats/summary.h"

#include <stdexcept>
#include <utility>

#include "jobs/stats/histogram.h"

namespace cohort::stats {
namespace {

Summary start(DatasetInfo const& info, Extent const& extent) {
  Summary summary;
  summary.file = info.file;
  summary.dataset = info.dataset;
  summary.units = info.units;
  summary.count = extent.count;
  summary.nonfinite = extent.nonfinite;
  return summary;
}

}  // namespace

Summary finish(DatasetInfo const& info, Extent const& extent, SpreadInput const& input,
               Spread const& spread) {
  if (spread.count != extent.count) {
    throw std::runtime_error("it changed between the first pass over it and the second");
  }
  Summary summary = start(info, extent);
  summary.min = extent.min;
  summary.max = extent.max;
  summary.mean = extent.sum.divided_by(extent.count).head;
  summary.std_dev = standard_deviation(spread, input);
  summary.edges = edges_of(input);
  summary.counts = spread.counts;
  return summary;
}

Summary finish_empty(DatasetInfo const& info, Extent const& extent, std::uint32_t bins) {
  Summary summary = start(info, extent);
  summary.edges = histogram_edges(0, 1, bins);
  summary.counts.resize(bins);
  return summary;
}

int exit_code(std::vector<Summary> const& results, std::vector<StatsError> const& errors) noexcept {
  if (errors.empty()) return 0;
  return results.empty() ? 2 : 1;
}

}  // namespace cohort::stats
