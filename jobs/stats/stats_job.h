// The distribution of cohort-stats: a worker type that scans blocks, and the master's two passes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/function.h"
#include "jobs/stats/block_reader.h"
#include "jobs/stats/discovery.h"
#include "jobs/stats/extent.h"
#include "jobs/stats/histogram.h"
#include "jobs/stats/plan.h"
#include "jobs/stats/summary.h"
#include "launch/cluster.h"

namespace cohort::stats {

/// Reads blocks itself, so that no data pass through the master.
class StatsWorker {
 public:
  /// What the first pass finds in a block and, if it is its whole dataset and so needs no second
  /// pass, the counts of its histogram.
  struct First {
    FirstPass found;
    std::vector<std::uint64_t> counts;

    template <class Archive>
    void serialize(Archive& archive, unsigned) {
      archive& found& counts;
    }
  };
  /// `bins` is 0 unless the block is its whole dataset and a histogram is wanted.
  First first(Block const& block, std::uint32_t bins);
  /// The counts of the histogram.
  std::vector<std::uint64_t> count(Block const& block, BinsInput const& input);

  using Functions = FunctionList<&StatsWorker::first, &StatsWorker::count>;

 private:
  BlockReader reader_;

  /// Returns how many elements are masked.
  std::uint64_t read_values(Block const& block, Scan const& use);
};

struct Report {
  std::vector<Summary> results;
  std::vector<StatsError> errors;
  std::vector<Skipped> skipped;
  bool out_of_workers = false;  ///< what was not finished by then is among the errors
};

/// Both passes over all datasets of the arguments, on the cluster's workers; only the first where
/// `bins` is 0. With `raw` the stored numbers are taken, whatever attributes say. The blocks of all
/// datasets are one stream of tasks, so that small datasets keep the workers busy too. What fails,
/// fails its dataset alone, save that no dataset can be finished where no worker can be started any
/// more. The figures do not depend on the number of workers: all sums are exact.
[[nodiscard]] Report run_stats(Cluster& cluster, std::vector<std::string> const& arguments,
                               std::uint32_t bins, bool raw = false);

}  // namespace cohort::stats
