// What a user may choose: where workers run, and how one group of them is spawned.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/settings.h"

namespace cohort {

/// How local workers talk to their master.
enum class Transport {
  kUnix,  ///< an inherited Unix socket pair: the fastest on one machine
  kTcp,   ///< a TCP connection over loopback
};

/// Who starts workers' processes.
enum class Launcher : std::uint8_t {
  kLocal,  ///< this process
  kMpi,    ///< MPI_Comm_spawn, one call for each worker; calls travel over MPI
  kRanks,  ///< mpirun: rank 0 is the master, each other rank a worker at a time; calls over MPI
};
[[nodiscard]] constexpr bool is_over_mpi(Launcher launcher) { return launcher != Launcher::kLocal; }

/// What is particular to Launcher::kMpi and kRanks. The program must be linked with cohort::mpi.
struct MpiOptions {
  enum class Fabric : std::uint8_t {
    kOb1,  ///< Open MPI's own; between a master and the workers it spawned that is TCP
    kUcx,  ///< shared memory by UCX: a tenth of the latency, slower starts, more memory
  };
  Fabric fabric = Fabric::kOb1;
  /// More workers than the runtime has slots for.
  bool oversubscribe = false;
  /// Where mpirun was started without --enable-recovery, so that one dead worker ends the whole
  /// job: start this program again, outside of mpirun's job, rather than refuse.
  bool restart_without_recovery = false;
  /// Of Launcher::kRanks: where every rank was taken, as by workers that died, and where a spawn
  /// wants what a running process cannot have (wrap, executable), start a worker by MPI_Comm_spawn;
  /// otherwise that is an error.
  bool replace_ranks = false;
};

/// Where workers run. `--workers` and `--transport` on the command line of a program that uses
/// start_app; fill it in yourself for a program with a command line of its own.
struct ClusterOptions {
  /// Workers that spawn starts where its options name no number; 0: one for each core that this
  /// process may run on, with Launcher::kRanks one for each rank but this.
  std::uint32_t workers = 0;
  Launcher launcher = Launcher::kLocal;
  MpiOptions mpi{};
  Transport transport = Transport::kUnix;
  Settings settings{};
  /// What stands on a worker's command line, for a program that looks there before it asks
  /// is_worker_process(): `{"worker"}` for one with that subcommand. One argument follows them,
  /// `--cohort-worker=ID`, which is there for whoever looks at the process.
  std::vector<std::string> worker_arguments{};
};

/// Reads "local", "local:N", "N", "mpi", "mpi:N" or "ranks"; without an N it is one for each core,
/// or rank. Throws std::invalid_argument that says what is allowed.
struct WorkersChoice {
  Launcher launcher = Launcher::kLocal;
  std::uint32_t count = 0;
};
[[nodiscard]] WorkersChoice parse_workers(std::string const& text);
[[nodiscard]] MpiOptions::Fabric parse_fabric(std::string const& text);
[[nodiscard]] Transport parse_transport(std::string const& text);
/// The cores in this process's affinity mask.
[[nodiscard]] std::uint32_t usable_cores();
/// This machine's name, "localhost" where it has none.
[[nodiscard]] std::string host_name();

/// Where a worker's stdout or stderr goes.
struct Redirect {
  enum class Mode {
    kForward,   ///< to the master's, each line tagged "[worker 3 host pid] "
    kNull,      ///< nowhere
    kAppend,    ///< to the end of a file
    kTruncate,  ///< to a file, emptied first
    kPipe,      ///< to a pipe that spawn_in_foreground hands to its caller
  };
  Mode mode = Mode::kForward;
  std::filesystem::path path{};

  [[nodiscard]] static Redirect null() { return {Mode::kNull, {}}; }
  [[nodiscard]] static Redirect append(std::filesystem::path file) {
    return {Mode::kAppend, std::move(file)};
  }
  [[nodiscard]] static Redirect truncate(std::filesystem::path file) {
    return {Mode::kTruncate, std::move(file)};
  }
};

/// When a worker ends though nobody asked it to.
enum class ShutdownOn : std::uint8_t {
  kConnectionClosed,  ///< when its handle goes, and with the process that spawned it
  kHeartbeatTimeout,  ///< with the process that spawned it; its handle may go
  kCalledShutdown,    ///< never: only shut_down() ends it, by whoever has a WorkerRef
};

/// Hears of a worker's end: of the first failure alone, where it has several. What a callback of a
/// stream throws in a worker that serve() made is a line in the log instead, and ends nothing.
using OnFailure = std::function<void(Error const&)>;

/// Options of one spawn call; all have defaults: `spawn<W>(cluster, {.count = 4}, init)`.
struct SpawnOptions {
  /// How many workers; 0: as many as the cluster's `workers`.
  std::uint32_t count = 0;
  /// Hears, once for each worker, that it ended without being asked to; on the cluster's callback
  /// thread, one call at a time. Without it, such an end is a warning in the log.
  OnFailure on_failure{};
  /// From the start of the process until its object was constructed.
  std::chrono::milliseconds spawn_timeout{30'000};
  /// What makes the worker end by itself.
  ShutdownOn shutdown_on = ShutdownOn::kConnectionClosed;
  /// Stands behind the worker's number in errors and before its lines: "[worker 3 name host pid] ".
  std::string name{};
  /// Variables of its environment, besides this process's own. Names that begin with COHORT_ are
  /// refused: `settings` sets what they say.
  std::map<std::string, std::string> environment{};
  /// Its working directory; this process's own where empty.
  std::filesystem::path directory{};
  std::optional<unsigned> umask{};
  /// A command that runs the worker: `{"numactl", "-N", "0"}`. It is followed by the executable and
  /// its arguments, and must pass on open descriptors. Where it runs them as its child, that is to
  /// be in its process group: a worker that hangs is killed with it.
  std::vector<std::string> wrap{};
  /// Of the worker's connections; the cluster's where empty. COHORT_... variables win.
  std::optional<Settings> settings{};
  Redirect redirect_stdout{};
  Redirect redirect_stderr{};
  /// Another executable than the running one. It must be the same build.
  std::filesystem::path executable{};
};

/// Throws std::invalid_argument that says what is wrong with them.
void check(SpawnOptions const& options);
/// The same where a pipe would have no reader: outside spawn_in_foreground.
void check_without_pipes(SpawnOptions const& options);
/// The same for serve(), whose worker has no process of its own.
void check_for_serve(SpawnOptions const& options);

}  // namespace cohort
