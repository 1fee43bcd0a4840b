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
/// Whether calls travel over MPI.
[[nodiscard]] constexpr bool is_over_mpi(Launcher launcher) { return launcher != Launcher::kLocal; }

/// What is particular to Launcher::kMpi and kRanks. The program must be linked with cohort::mpi.
struct MpiOptions {
  /// What MPI's messages travel over.
  enum class Fabric : std::uint8_t {
    kOb1,  ///< Open MPI's own; between a master and the workers it spawned that is TCP
    kUcx,  ///< shared memory by UCX: a tenth of the latency, slower starts, more memory
  };
  Fabric fabric = Fabric::kOb1;  ///< --mpi-fabric
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
  Launcher launcher = Launcher::kLocal;    ///< who starts them
  MpiOptions mpi{};                        ///< for Launcher::kMpi and kRanks
  Transport transport = Transport::kUnix;  ///< of local workers; over MPI it does not matter
  Settings settings{};                     ///< COHORT_... variables win
  /// What stands on a worker's command line, for a program that looks there before it asks
  /// is_worker_process(): `{"worker"}` for one with that subcommand. One argument follows them,
  /// `--cohort-worker=2,master=node7:4711,name=reader` (the worker's number, its master's machine
  /// and pid, its SpawnOptions::name), which is there for whoever looks at the process.
  std::vector<std::string> worker_arguments{};
};

/// What --workers says.
struct WorkersChoice {
  Launcher launcher = Launcher::kLocal;  ///< who starts them
  std::uint32_t count = 0;               ///< how many; 0: one for each rank but this
};
/// Reads "local", "local:N", "N", "mpi", "mpi:N" or "ranks"; without an N it is one for each core,
/// or rank. Throws std::invalid_argument that says what is allowed.
[[nodiscard]] WorkersChoice parse_workers(std::string const& text);
/// Reads "ob1" or "ucx"; throws likewise.
[[nodiscard]] MpiOptions::Fabric parse_fabric(std::string const& text);
/// Reads "unix" or "tcp"; throws likewise.
[[nodiscard]] Transport parse_transport(std::string const& text);
/// The cores in this process's affinity mask.
[[nodiscard]] std::uint32_t usable_cores();
/// This machine's name, "localhost" where it has none.
[[nodiscard]] std::string host_name();

/// Where a worker's stdout or stderr goes. A file is opened, and where it is missing created, by
/// the master: a relative path begins at the master's working directory, and the master's umask
/// applies. A file that cannot be opened is spawn's Error (kRefused). In its path, `%i` is the
/// worker's place among those of its spawn call, or in its Pool, from 0 (WorkerContext::index);
/// `%w` its number, as in errors; `%h` the name of its machine; `%%` a percent sign.
struct Redirect {
  /// What is done with it.
  enum class Mode {
    /// To the master's, each line tagged "[worker 3 host pid] ", with a SpawnOptions::name
    /// "[worker 3 name host pid] ". Where the master's takes nothing, the worker waits.
    kForward,
    kNull,    ///< nowhere
    kAppend,  ///< to the end of a file; several workers may share it
    /// To the end of a file that is emptied first, by the first worker of the spawn call that has
    /// it. Those that a Pool starts in the place of others empty nothing.
    kTruncate,
    kPipe,  ///< to a pipe that spawn_in_foreground hands to its caller
  };
  Mode mode = Mode::kForward;    ///< where to
  std::filesystem::path path{};  ///< the file of kAppend and kTruncate

  /// Nowhere.
  [[nodiscard]] static Redirect null() { return {Mode::kNull, {}}; }
  /// To the end of the file.
  [[nodiscard]] static Redirect append(std::filesystem::path file) {
    return {Mode::kAppend, std::move(file)};
  }
  /// To the file, emptied first. One for each worker: `Redirect::truncate("out.%i")`.
  [[nodiscard]] static Redirect truncate(std::filesystem::path file) {
    return {Mode::kTruncate, std::move(file)};
  }
};

/// When a worker ends though nobody asked it to.
enum class ShutdownOn : std::uint8_t {
  kConnectionClosed,  ///< when its handle goes, and with the process that spawned it
  kHeartbeatTimeout,  ///< with the process that spawned it; its handle may go
  /// never: only shut_down() ends it, by whoever has a WorkerRef. Until its constructor has
  /// returned, nobody has one, and it ends with the process that spawned it
  kCalledShutdown,
};

/// Hears of a worker's end: of the first failure alone, where it has several. What a callback of a
/// stream throws in a worker that serve() made is a line in the log instead, and ends nothing.
using OnFailure = std::function<void(Error const&)>;

/// An on_failure that ends the job: `{.on_failure = cohort::end_job}`. This process says so in a
/// line on stderr and exits with status 1, without destructors, whatever it is doing; its workers
/// end as they do whenever it goes (see ShutdownOn), and mpirun with 1. In a worker it ends that
/// worker, whose master hears of it as of any failure.
[[noreturn]] void end_job(Error const& error);

/// Options of one spawn call; all have defaults: `spawn<W>(cluster, {.count = 4}, init)`.
struct SpawnOptions {
  /// How many workers; 0: as many as the cluster's `workers`.
  std::uint32_t count = 0;
  /// Hears, once for each worker, that it ended without being asked to, or crashed while it did as
  /// it was asked; not of one that was never constructed, of which spawn tells. All on_failure of a
  /// cluster run on one thread, which is not that of stream callbacks, one at a time. It may call,
  /// wait and spawn, and let go of handles; the cluster's end waits for it. What it throws is a
  /// line in the log, as such an end is without it.
  OnFailure on_failure{};
  /// From the call of spawn until all objects of its workers were constructed.
  std::chrono::milliseconds spawn_timeout{30'000};
  /// What makes the worker end by itself.
  ShutdownOn shutdown_on = ShutdownOn::kConnectionClosed;
  /// Stands behind the worker's number in errors and before its lines: "[worker 3 name host pid] ".
  std::string name{};
  /// Variables of its environment, besides this process's own. Names that begin with COHORT_ are
  /// refused: `settings` sets what they say.
  std::map<std::string, std::string> environment{};
  /// Its working directory, which must be there before spawn; a relative path begins at this
  /// process's own. Where empty this process's own, or over MPI that in which MPI starts it.
  std::filesystem::path directory{};
  /// Its umask, as umask(2) takes it: `0027` (octal) keeps others out. For the files that the
  /// worker makes, not for those of Redirect. Where empty this process's own, or over MPI the one
  /// that MPI starts it with.
  std::optional<unsigned> umask{};
  /// A command that runs the worker: `{"numactl", "-N", "0"}`. It is followed by the executable and
  /// its arguments, and must pass on open descriptors. Where it runs them as its child, that is to
  /// be in its process group: a worker that hangs is killed with it.
  std::vector<std::string> wrap{};
  /// Of the worker's connections; the cluster's where empty. COHORT_... variables win.
  std::optional<Settings> settings{};
  Redirect redirect_stdout{};  ///< its stdout; stdin is /dev/null, but in the foreground
  /// Its stderr. An Error has its last lines for kForward alone.
  Redirect redirect_stderr{};
  /// Another executable than the running one. It must be the same build. A relative path begins at
  /// this process's working directory.
  std::filesystem::path executable{};
};

/// @cond of cohort itself
/// What the path of a Redirect says of a worker.
struct OutputOwner {
  std::uint32_t index = 0;
  WorkerId id{};
  std::string host{};
};
/// The file of that worker. Throws std::invalid_argument for a `%` that means nothing.
[[nodiscard]] std::filesystem::path path_for(std::filesystem::path const& path,
                                             OutputOwner const& owner);
/// Throws std::invalid_argument that says what is wrong with them.
void check(SpawnOptions const& options);
/// The same where a pipe would have no reader: outside spawn_in_foreground.
void check_without_pipes(SpawnOptions const& options);
/// The same for spawn_in_foreground, whose caller gets all output.
void check_for_foreground(SpawnOptions const& options);
/// The same for serve(), whose worker has no process of its own.
void check_for_serve(SpawnOptions const& options);
/// @endcond

}  // namespace cohort
