#include "jobs/stats/summary.h"

#include <stdexcept>
#include <utility>

#include "jobs/stats/block_reader.h"
#include "jobs/stats/histogram.h"

namespace cohort::stats {
namespace {

Summary start(Source const& source, Extent const& extent) {
  Summary summary;
  summary.file = source.file;
  summary.dataset = source.dataset;
  summary.units = source.units;
  summary.count = extent.count;
  summary.nonfinite = extent.nonfinite;
  return summary;
}

}  // namespace

Summary finish(Source const& source, Extent const& extent, SpreadInput const& input,
               Spread const& spread) {
  if (spread.count != extent.count) {
    throw std::runtime_error("it changed between the first pass over it and the second");
  }
  Summary summary = start(source, extent);
  summary.min = extent.min;
  summary.max = extent.max;
  summary.mean = extent.sum.divided_by(extent.count).head;
  summary.std_dev = standard_deviation(spread, input);
  summary.edges = edges_of(input);
  summary.counts = spread.counts;
  return summary;
}

Summary finish_empty(Source const& source, Extent const& extent, std::uint32_t bins) {
  Summary summary = start(source, extent);
  summary.edges = histogram_edges(0, 1, bins);
  summary.counts.resize(bins);
  return summary;
}

Summary summarize(Source const& source, std::uint32_t bins, BlockLimits limits) {
  BlockReader reader;
  BlockPlan const plan(source, limits);
  Extent extent;
  for (std::uint64_t i = 0; i < plan.size(); ++i) merge(extent, scan_extent(reader, plan[i]));
  if (extent.count == 0) return finish_empty(source, extent, bins);
  SpreadInput const input = make_spread_input(extent, bins);
  Spread spread;
  for (std::uint64_t i = 0; i < plan.size(); ++i)
    merge(spread, scan_spread(reader, plan[i], input));
  return finish(source, extent, input, spread);
}

int exit_code(std::vector<Summary> const& results, std::vector<StatsError> const& errors) noexcept {
  if (errors.empty()) return 0;
  return results.empty() ? 2 : 1;
}

}  // namespace cohort::stats
