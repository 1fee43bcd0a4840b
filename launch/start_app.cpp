#include "launch/start_app.h"

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <cxxabi.h>
#include <sys/resource.h>

#include "core/error.h"
#include "launch/command_line.h"
#include "launch/log.h"
#include "launch/mpi_backend.h"
#include "launch/ranks.h"
#include "launch/runtime.h"

namespace cohort {
namespace {

/// Each local worker takes four descriptors of its master, and the usual soft limit is 1024.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// An option whose text `parse` reads into `target`; what it throws is the command line's error.
template <class Value>
void add_parsed_option(CLI::App& app, char const* name, char const* type, char const* help,
                       Value& target, Value (*parse)(std::string const&)) {
  auto const read = [&target, parse](std::string const& text) {
    try {
      target = parse(text);
    } catch (std::invalid_argument const& error) {
      throw CLI::ValidationError(error.what());
    }
  };
  app.add_option_function<std::string>(name, read, help)->type_name(type);
}

}  // namespace

void add_cluster_options(CLI::App& app, ClusterOptions& options) {
  auto const read = [&options](std::string const& text) {
    try {
      auto const choice = parse_workers(text);
      options.launcher = choice.launcher;
      options.workers = choice.count;
    } catch (std::invalid_argument const& error) {
      throw CLI::ValidationError(error.what());
    }
  };
  app.add_option_function<std::string>("--workers", read,
                                       "where workers run: local (one per core), local:N; mpi, "
                                       "mpi:N (MPI_Comm_spawn, under mpirun or alone); ranks "
                                       "(those of mpirun -n N, of which 0 is the master)")
      ->type_name("WHERE");
  add_parsed_option(app, "--transport", "KIND",
                    "how local workers talk to their master: unix (default) or tcp",
                    options.transport, parse_transport);
  if (mpi_backend() == nullptr) return;
  add_parsed_option(app, "--mpi-fabric", "KIND",
                    "what MPI's messages travel over: ob1 (default) or ucx (shared memory)",
                    options.mpi.fabric, parse_fabric);
  app.add_flag("--mpi-oversubscribe", options.mpi.oversubscribe,
               "start more MPI workers than there are slots");
  app.add_flag("--mpi-restart", options.mpi.restart_without_recovery,
               "under an mpirun without --enable-recovery: start again outside of its job");
  app.add_flag("--mpi-replace", options.mpi.replace_ranks,
               "with --workers ranks: where no rank is left, start a worker by MPI_Comm_spawn");
}

int run_app(AppTypes types, int argc, char** argv, Extras extras, Master const& master,
            ClusterOptions options) {
  if (is_worker_process()) return run_worker(types);
  if (auto* const mpi = mpi_backend()) mpi->mind_exit_status();
  auto const exit_code = [](CLI::App const& app, CLI::ParseError const& error) {
    // Every rank reads the same command line, and one says what is wrong with it.
    bool const silent = mpi_backend() != nullptr &&
                        mpi_backend()->place_in_job().value_or(MpiBackend::JobPlace()).rank != 0;
    if (!silent) app.exit(error);
    return error.get_exit_code() == 0 ? 0 : 2;
  };

  CLI::App app("Options of cohort");
  if (extras == Extras::kToMaster) {
    app.allow_extras();
    app.set_help_flag("--cohort-help", "print this help message and exit");
  }
  add_cluster_options(app, options);
  std::vector<std::string> rest;
  try {
    options.settings = Settings::from_environment(options.settings);
    check_log_level();
    app.parse(argc, argv);
    rest = app.remaining();
  } catch (CLI::ParseError const& error) {
    return exit_code(app, error);
  } catch (std::invalid_argument const& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 2;
  }
  std::vector<char*> arguments{argv[0]};
  for (auto& argument : rest) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  return run_master(types, options, [&](Cluster& cluster) {
    return master(cluster, static_cast<int>(arguments.size()) - 1, arguments.data());
  });
}

int run_master(AppTypes types, ClusterOptions const& options,
               std::function<int(Cluster&)> const& master) {
  raise_descriptor_limit();
  if (auto* const mpi = mpi_backend()) mpi->mind_exit_status();
  std::shared_ptr<ToldEnds const> told;
  try {
    run_as_rank(options);
    Cluster cluster(types, options);
    told = cluster.runtime()->told;
    return master(cluster);
  } catch (Error const& error) {
    // Its worker's last lines were forwarded, and the log may have told of its end.
    auto const text = told && told->contains(error)
                          ? Error(error.kind(), "the log has told why", error.where()).headline()
                          : error.headline();
    std::fprintf(stderr, "error: %s\n", text.c_str());
    return 1;
  } catch (abi::__forced_unwind const&) {
    throw;  // it ended the main thread
  } catch (...) {
    auto const text = describe_current_exception();
    std::fprintf(stderr, "error: %s\n", (text.what.empty() ? text.type : text.what).c_str());
    return 1;
  }
}

}  // namespace cohort
