// The distribution of cohort-stats: a worker type that scans blocks, and the master's two passes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/function.h"
#include "jobs/stats/block_reader.h"
#include "jobs/stats/discovery.h"
#include "jobs/stats/extent.h"
#include "jobs/stats/plan.h"
#include "jobs/stats/spread.h"
#include "jobs/stats/summary.h"
#include "launch/cluster.h"

namespace cohort::stats {

/// Reads blocks itself, so that no data pass through the master.
class StatsWorker {
 public:
  Extent extent(Block const& block) { return scan_extent(reader_, block); }
  Spread spread(Block const& block, SpreadInput const& input) {
    return scan_spread(reader_, block, input);
  }

  using Functions = FunctionList<&StatsWorker::extent, &StatsWorker::spread>;

 private:
  BlockReader reader_;
};

struct Report {
  std::vector<Summary> results;
  std::vector<StatsError> errors;
  bool out_of_workers = false;  ///< what was not finished by then is among the errors
};

/// Both passes over all datasets of the arguments, on the cluster's workers. The blocks of all
/// datasets are one stream of tasks, so that small datasets keep the workers busy too. What fails,
/// fails its dataset alone, save that no dataset can be finished where no worker can be started any
/// more. The figures do not depend on the number of workers: all sums are exact.
[[nodiscard]] Report run_stats(Cluster& cluster, std::vector<std::string> const& arguments,
                               std::uint32_t bins);

}  // namespace cohort::stats
