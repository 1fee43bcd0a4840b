#include "jobs/stats/summary.h"

#include <numeric>
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
  summary.packing = info.packing.text;
  summary.raw = !info.packing.applied;
  summary.type = info.type;
  summary.shape = info.shape;
  summary.count = extent.count;
  summary.nonfinite = extent.nonfinite;
  summary.masked = extent.masked;
  return summary;
}

}  // namespace

Summary finish(DatasetInfo const& info, Extent const& extent, Moments const& moments,
               std::uint32_t bins, std::vector<std::uint64_t> counts) {
  Summary summary = start(info, extent);
  counts.resize(bins);
  if (bins > 0) {
    if (std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}) != extent.count) {
      throw std::runtime_error("it changed between the first pass over it and the second");
    }
    summary.edges = edges_of(extent, bins);
    summary.counts = std::move(counts);
  }
  if (extent.count == 0) return summary;
  summary.min = extent.min;
  summary.max = extent.max;
  summary.mean = extent.sum.divided_by(extent.count).head;
  summary.std_dev = standard_deviation(moments);
  return summary;
}

int exit_code(std::vector<Summary> const& results, std::vector<StatsError> const& errors) noexcept {
  if (errors.empty()) return 0;
  return results.empty() ? 2 : 1;
}

}  // namespace cohort::stats
