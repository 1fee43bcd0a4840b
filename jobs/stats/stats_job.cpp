#include "jobs/stats/stats_job.h"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <tuple>
#include <utility>

#include "jobs/generated.h"
#include "jobs/pool.h"

namespace cohort::stats {
namespace {

/// One dataset on its way through both passes.
struct Dataset {
  explicit Dataset(DatasetInfo its_info) : info(std::move(its_info)), plan(info) {}

  DatasetInfo info;
  BlockPlan plan;
  Extent extent;
  std::optional<SpreadInput> spread_input;  // from the first pass; absent without finite values
  Spread spread;
  std::uint64_t extents = 0;  // blocks of the first pass that came back, and of the second
  std::uint64_t spreads = 0;
  std::optional<std::string> error;

  [[nodiscard]] bool finished() const {
    bool const needs_spread = extent.count > 0;
    return extents == plan.size() && (!needs_spread || spreads == plan.size());
  }
};

/// The blocks of the datasets one after the other, with each block's dataset. Leaves out what is
/// left of a dataset that failed, and datasets that `wanted` does not want.
template <class Wanted>
class BlockStream {
 public:
  BlockStream(std::vector<Dataset>& datasets, Wanted wanted)
      : datasets_(datasets), wanted_(std::move(wanted)) {}

  /// The dataset's place and the block's; nothing at the end.
  std::optional<std::pair<std::size_t, std::uint64_t>> next() {
    for (; dataset_ < datasets_.size(); ++dataset_, block_ = 0) {
      auto const& dataset = datasets_[dataset_];
      if (!dataset.error && wanted_(dataset) && block_ < dataset.plan.size()) {
        return std::pair{dataset_, block_++};
      }
    }
    return std::nullopt;
  }

 private:
  std::vector<Dataset>& datasets_;
  Wanted wanted_;
  std::size_t dataset_ = 0;
  std::uint64_t block_ = 0;
};

/// One pass: runs Member on all blocks of the stream and hands each result to its dataset.
template <auto Member, class Stream, class MakeArguments, class Take>
void run_pass(Pool<StatsWorker>& pool, std::vector<Dataset>& datasets, Stream stream,
              MakeArguments const& make_arguments, Take const& take) {
  using Arguments = ArgumentsOf<Member>;
  std::vector<std::size_t> dataset_of;  // by task
  auto const next = [&]() -> std::optional<Arguments> {
    auto const place = stream.next();
    if (!place) return std::nullopt;
    dataset_of.push_back(place->first);
    auto& dataset = datasets[place->first];
    return make_arguments(dataset, dataset.plan[place->second]);
  };
  for (auto& outcome : pool.map_outcomes(fn<Member>, Generated<Arguments>(next))) {
    auto& dataset = datasets[dataset_of[outcome.index()]];
    if (dataset.error) continue;
    if (outcome.ok()) {
      take(dataset, outcome.get());
      continue;
    }
    auto const& error = outcome.error();
    // The report names file and dataset, so what the scan threw needs no more than its own text; a
    // lost worker is told in full, with its last words.
    dataset.error = one_line(error.kind() == ErrorKind::kFailed ? error.reason() : error.what());
  }
}

/// Throws what the pool throws where it cannot go on.
void run_passes(Cluster& cluster, std::vector<Dataset>& datasets, std::uint32_t bins) {
  std::uint64_t blocks = 0;
  for (auto const& dataset : datasets) blocks += dataset.plan.size();
  if (blocks == 0) return;
  auto const workers =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(blocks, cluster.workers()));
  Pool<StatsWorker> pool(cluster, {.spawn = {.count = workers}});
  run_pass<&StatsWorker::extent>(
      pool, datasets, BlockStream(datasets, [](Dataset const&) { return true; }),
      [](Dataset const&, Block block) { return std::tuple(std::move(block)); },
      [](Dataset& dataset, Extent const& part) {
        merge(dataset.extent, part);
        ++dataset.extents;
      });
  for (auto& dataset : datasets) {
    if (!dataset.error && dataset.extent.count > 0) {
      dataset.spread_input = make_spread_input(dataset.extent, bins);
    }
  }
  run_pass<&StatsWorker::spread>(
      pool, datasets,
      BlockStream(datasets, [](Dataset const& each) { return each.spread_input.has_value(); }),
      [](Dataset const& dataset, Block block) {
        return std::tuple(std::move(block), *dataset.spread_input);
      },
      [](Dataset& dataset, Spread const& part) {
        merge(dataset.spread, part);
        ++dataset.spreads;
      });
}

}  // namespace

Report run_stats(Cluster& cluster, std::vector<std::string> const& arguments, std::uint32_t bins) {
  auto discovery = discover(arguments);
  Report report{.results = {}, .errors = std::move(discovery.errors)};
  std::vector<Dataset> datasets;
  for (auto& info : discovery.datasets) datasets.emplace_back(std::move(info));
  try {
    run_passes(cluster, datasets, bins);
  } catch (std::exception const& error) {  // no worker is left, and none can be started
    report.out_of_workers = true;
    for (auto& dataset : datasets) {
      if (!dataset.error && !dataset.finished()) dataset.error = one_line(error.what());
    }
  }
  for (auto& dataset : datasets) {
    auto const& info = dataset.info;
    try {
      if (dataset.error) throw std::runtime_error(*dataset.error);
      report.results.push_back(
          dataset.spread_input ? finish(info, dataset.extent, *dataset.spread_input, dataset.spread)
                               : finish_empty(info, dataset.extent, bins));
    } catch (std::exception const& error) {
      report.errors.push_back({info.file, info.dataset, error.what()});
    }
  }
  return report;
}

}  // namespace cohort::stats
