#include "jobs/stats/stats_job.h"

#include <algorithm>
#include <exception>
#include <map>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>

#include "jobs/generated.h"
#include "jobs/pool.h"
#include "jobs/stats/text.h"

namespace cohort::stats {
namespace {

/// One dataset on its way through both passes.
struct Dataset {
  explicit Dataset(DatasetInfo its_info) : info(std::move(its_info)), plan(info) {}

  DatasetInfo info;
  BlockPlan plan;
  Extent extent;
  MomentsTree moments;
  std::vector<std::uint64_t> counts;
  std::uint64_t firsts = 0;  // blocks of the first pass that came back, and of the second
  std::uint64_t seconds = 0;
  std::optional<std::string> error;

  /// A dataset of one block has its histogram from the first.
  [[nodiscard]] bool needs_second(std::uint32_t bins) const {
    return bins > 0 && extent.count > 0 && plan.size() > 1;
  }
  [[nodiscard]] bool finished(std::uint32_t bins) const {
    return firsts == plan.size() && (!needs_second(bins) || seconds == plan.size());
  }
};

void add_counts(std::vector<std::uint64_t>& into, std::vector<std::uint64_t> const& counts) {
  if (into.size() < counts.size()) into.resize(counts.size());
  for (std::size_t i = 0; i < counts.size(); ++i) into[i] += counts[i];
}

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

/// One pass: runs Member on all blocks of the stream and hands each result to its dataset, with the
/// place of its block.
template <auto Member, class Stream, class MakeArguments, class Take>
void run_pass(Pool<StatsWorker>& pool, std::vector<Dataset>& datasets, Stream stream,
              MakeArguments const& make_arguments, Take const& take) {
  using Arguments = ArgumentsOf<Member>;
  // The first task of each dataset; its other blocks follow without a gap.
  std::vector<std::pair<std::size_t, std::size_t>> first_tasks;
  std::size_t tasks = 0;
  auto const next = [&]() -> std::optional<Arguments> {
    auto const place = stream.next();
    if (!place) return std::nullopt;
    if (place->second == 0) first_tasks.emplace_back(tasks, place->first);
    ++tasks;
    auto& dataset = datasets[place->first];
    return make_arguments(dataset, dataset.plan[place->second]);
  };
  for (auto& outcome : pool.map_outcomes(fn<Member>, Generated<Arguments>(next))) {
    auto const after =
        std::upper_bound(first_tasks.begin(), first_tasks.end(), outcome.index(),
                         [](std::size_t index, auto const& first) { return index < first.first; });
    auto const& [first_task, place] = *std::prev(after);
    auto& dataset = datasets[place];
    if (dataset.error) continue;
    if (outcome.ok()) {
      take(dataset, outcome.index() - first_task, outcome.get());
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
  for (auto const& dataset : datasets) {
    blocks += std::min<std::uint64_t>(dataset.plan.size(), cluster.workers());
  }
  if (blocks == 0) return;
  auto const workers =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(blocks, cluster.workers()));
  Pool<StatsWorker> pool(cluster, {.spawn = {.count = workers}});
  run_pass<&StatsWorker::first>(
      pool, datasets, BlockStream(datasets, [](Dataset const&) { return true; }),
      [&](Dataset const& dataset, Block block) {
        return std::tuple(std::move(block), dataset.plan.size() == 1 ? bins : 0);
      },
      [](Dataset& dataset, std::uint64_t block, StatsWorker::First const& part) {
        merge(dataset.extent, part.found.extent);
        dataset.moments.add(block, part.found.moments);
        add_counts(dataset.counts, part.counts);
        ++dataset.firsts;
      });
  run_pass<&StatsWorker::count>(
      pool, datasets,
      BlockStream(datasets, [&](Dataset const& each) { return each.needs_second(bins); }),
      [&](Dataset const& dataset, Block block) {
        return std::tuple(std::move(block),
                          BinsInput{dataset.extent.min, dataset.extent.max, bins});
      },
      [](Dataset& dataset, std::uint64_t, std::vector<std::uint64_t> const& part) {
        add_counts(dataset.counts, part);
        ++dataset.seconds;
      });
}

/// The figures, or why there are none.
using Outcome = std::variant<Summary, std::string>;

Outcome figures_of(Dataset& dataset, std::uint32_t bins) {
  if (dataset.error) return *dataset.error;
  try {
    return finish(dataset.info, dataset.extent, dataset.moments.total(), bins,
                  std::move(dataset.counts));
  } catch (std::exception const& error) {
    return std::string(error.what());
  }
}

/// Another name of a dataset.
struct OtherName {
  std::string file;
  std::string dataset;
  std::string same_as;
  std::size_t place;  ///< in the order of the names: before the dataset of that index
};

void add(Report& report, std::string const& file, std::string const& dataset, Outcome outcome,
         std::string const& same_as) {
  if (auto const* const error = std::get_if<std::string>(&outcome)) {
    report.errors.push_back({file, dataset, *error});
    return;
  }
  auto& summary = report.results.emplace_back(std::move(std::get<Summary>(outcome)));
  summary.dataset = dataset;
  summary.same_as = same_as;
}

/// An entry for each name, in their order.
void add_outcomes(Report& report, std::vector<Dataset>& datasets,
                  std::vector<OtherName> const& names, std::uint32_t bins) {
  using Name = std::pair<std::string_view, std::string_view>;
  std::map<Name, std::optional<Outcome>> shared;  // of the datasets with several names
  for (auto const& name : names) shared[{name.file, name.same_as}];
  for (auto& dataset : datasets) {
    auto const found = shared.find({dataset.info.file, dataset.info.dataset});
    if (found != shared.end()) found->second = figures_of(dataset, bins);
  }
  auto name = names.begin();
  for (std::size_t i = 0; i <= datasets.size(); ++i) {
    for (; name != names.end() && name->place == i; ++name) {
      add(report, name->file, name->dataset, *shared.at({name->file, name->same_as}),
          name->same_as);
    }
    if (i == datasets.size()) return;
    auto const& info = datasets[i].info;
    auto const found = shared.find({info.file, info.dataset});
    add(report, info.file, info.dataset,
        found != shared.end() ? *found->second : figures_of(datasets[i], bins), "");
  }
}

}  // namespace

StatsWorker::First StatsWorker::first(Block const& block, std::uint32_t bins) {
  First first;
  auto& extent = first.found.extent;
  extent.masked = read_values(
      block, [&](Elements values, std::uint64_t times) { first.found.add(values, times); });
  if (bins > 0 && extent.count > 0) first.counts = count(block, {extent.min, extent.max, bins});
  return first;
}

std::vector<std::uint64_t> StatsWorker::count(Block const& block, BinsInput const& input) {
  Histogram histogram(edges_of(input));
  static_cast<void>(read_values(
      block, [&](Elements values, std::uint64_t times) { histogram.add(values, times); }));
  return histogram.counts();
}

std::uint64_t StatsWorker::read_values(Block const& block, Scan const& use) {
  std::uint64_t masked = 0;
  reader_.for_each_piece(block, [&](Elements elements, std::uint64_t times) {
    masked += unpack(block.packing, elements, times, use);
  });
  return masked;
}

Report run_stats(Cluster& cluster, std::vector<std::string> const& arguments, std::uint32_t bins,
                 bool raw) {
  auto discovery = discover(arguments);
  Report report{.results = {},
                .errors = std::move(discovery.errors),
                .skipped = std::move(discovery.skipped)};
  std::vector<Dataset> datasets;
  std::vector<OtherName> names;
  datasets.reserve(discovery.datasets.size());
  for (auto& info : discovery.datasets) {
    if (!info.same_as.empty()) {
      names.push_back({info.file, info.dataset, info.same_as, datasets.size()});
      continue;
    }
    if (raw) info.packing = not_applied(info.packing);
    auto& dataset = datasets.emplace_back(std::move(info));
    if (!dataset.info.packing.problem.empty()) dataset.error = dataset.info.packing.problem;
  }
  std::vector<DatasetInfo>().swap(discovery.datasets);
  try {
    run_passes(cluster, datasets, bins);
  } catch (std::exception const& error) {  // no worker is left, and none can be started
    report.out_of_workers = true;
    for (auto& dataset : datasets) {
      if (!dataset.error && !dataset.finished(bins)) dataset.error = one_line(error.what());
    }
  }
  add_outcomes(report, datasets, names, bins);
  return report;
}

}  // namespace cohort::stats
