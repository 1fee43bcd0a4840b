// The two halves of start_app, for a program with a command line of its own (CLI11).
#pragma once

#include <functional>

#include "launch/app_types.h"
#include "launch/cluster.h"
#include "launch/options.h"

namespace CLI {
class App;
}

namespace cohort {

/// Adds --workers and --transport to a program's own command line.
void add_cluster_options(CLI::App& app, ClusterOptions& options);

/// Runs a master with these options: main's exit code, 1 where it threw (the error is on stderr).
/// Before it, main must have returned run_worker(types) where is_worker_process().
[[nodiscard]] int run_master(AppTypes types, ClusterOptions const& options,
                             std::function<int(Cluster&)> const& master);

}  // namespace cohort
