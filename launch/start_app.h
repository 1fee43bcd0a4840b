// A program of cohort: its main calls start_app, and the process is the master or a worker.
#pragma once

#include <functional>

#include "launch/app_types.h"
#include "launch/cluster.h"
#include "launch/worker_main.h"

namespace cohort {

/// The master, as start_app runs it. Its argc and argv are those of main without cohort's options.
using Master = std::function<int(Cluster& cluster, int argc, char** argv)>;

/// The untyped half of start_app.
[[nodiscard]] int run_app(AppTypes types, int argc, char** argv, Master const& master);

/// Reads cohort's options (--workers, --transport; --help shows them) and the COHORT_... variables,
/// runs `master`, and ends all workers when it returns. In a worker's process it serves instead.
/// `Ws` are all worker types of the program; their order gives their ids. Returns main's exit code:
/// the master's, 1 where it threw (the error is on stderr), 2 for a bad command line.
template <class... Ws>
[[nodiscard]] int start_app(int argc, char** argv, std::function<int(Cluster&)> const& master) {
  return run_app(app_types<Ws...>, argc, argv,
                 [&master](Cluster& cluster, int, char**) { return master(cluster); });
}

/// The same for a master that reads the rest of the command line itself.
template <class... Ws>
[[nodiscard]] int start_app_with_arguments(int argc, char** argv, Master const& master) {
  return run_app(app_types<Ws...>, argc, argv, master);
}

}  // namespace cohort
