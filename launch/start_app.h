// A program of cohort: its main calls start_app, and the process is the master or a worker.
#pragma once

#include <functional>
#include <utility>

#include "launch/app_types.h"
#include "launch/cluster.h"
#include "launch/worker_main.h"

namespace cohort {

/// The master, as start_app runs it. Its argc and argv are those of main without cohort's options.
using Master = std::function<int(Cluster& cluster, int argc, char** argv)>;

/// Runs a master: the untyped half of run_master<Ws...>, which says what it returns; throws
/// nothing.
[[nodiscard]] int run_master(AppTypes types, ClusterOptions const& options,
                             std::function<int(Cluster&)> const& master);

/// What is left of the command line goes to the master, or is an error.
enum class Extras { kToMaster, kRefuse };
/// The untyped half of start_app, which says what it returns; throws nothing.
[[nodiscard]] int run_app(AppTypes types, int argc, char** argv, Extras extras,
                          Master const& master, ClusterOptions options);

/// Reads cohort's options (--workers, --transport; --help shows them) and the COHORT_... variables,
/// runs `master`, and ends all workers when it returns. In a worker's process it serves instead:
/// what stands before it in `main`, and static initialisers, run there too (is_worker_process()
/// tells). `Ws` are all worker types of the program; their order gives their ids. Returns main's
/// exit code: the master's, 1 where it threw (the error is on stderr), 2 for a bad command line or
/// variable; it throws nothing itself. `master` runs on this thread. `options`, settings included,
/// are what the command line and the variables win over. Raises the limit of open files as far as
/// it may.
template <class... Ws>
[[nodiscard]] int start_app(int argc, char** argv, std::function<int(Cluster&)> const& master,
                            ClusterOptions options = {}) {
  return run_app(
      app_types<Ws...>, argc, argv, Extras::kRefuse,
      [&master](Cluster& cluster, int, char**) { return master(cluster); }, std::move(options));
}

/// The same for a master that reads the rest of the command line itself, `--help` included;
/// `--cohort-help` shows cohort's options.
template <class... Ws>
[[nodiscard]] int start_app_with_arguments(int argc, char** argv, Master const& master,
                                           ClusterOptions options = {}) {
  return run_app(app_types<Ws...>, argc, argv, Extras::kToMaster, master, std::move(options));
}

/// The two halves of start_app, for a program with a command line of its own. In a process where
/// is_worker_process() (launch/worker_main.h), main returns run_worker<Ws...>() before it looks at
/// anything else, or from the subcommand that ClusterOptions::worker_arguments names. Returns the
/// process's exit code: 0 when it was asked to end, 69 when its master is gone or a function did
/// not end in time, 70 when something threw that nobody waits for, 75 when it could not join its
/// master.
template <class... Ws>
[[nodiscard]] int run_worker() {
  return run_worker(app_types<Ws...>);
}
/// Elsewhere it runs its master with the options that it has read: launch/command_line.h adds them
/// to a CLI11 parser. Returns what the master returns, or 1 where it, or the Cluster's constructor,
/// threw (the error is on stderr); otherwise as start_app.
template <class... Ws>
[[nodiscard]] int run_master(ClusterOptions const& options,
                             std::function<int(Cluster&)> const& master) {
  return run_master(app_types<Ws...>, options, master);
}

}  // namespace cohort
