// The master's handle on its workers: spawn them through it; when it goes, they go.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "core/clock.h"
#include "core/message.h"
#include "launch/app_types.h"
#include "launch/options.h"

namespace cohort {

class AgentHall;
class Engine;
class RankPool;
class RemoteWorker;

class Listener;
class Session;
struct AgentHandle;

class WorkerHandle;

struct BootRecord;
struct SharedFiles;
struct Runtime;

/// One per master. Any thread may spawn through it. What belongs to the workers that it spawned
/// (futures, streams and their ends) is to go before it: once the cluster is gone, it may be
/// destroyed and nothing else, and a Subscription not even that. A Worker that outlives it is
/// harmless: alive() is false. Handles that connect() and serve() gave may be used as before.
///
/// A child that the program forks owns nothing of all this. What it has of its parent's may be
/// destroyed, which does nothing, and what it calls throws Error (kRefused); it may make a Cluster
/// of its own, though not over MPI. A child that returns from a worker's function, or from a
/// callback, ends there, with a line on stderr.
class Cluster {
 public:
  /// `types` are the program's worker types, as start_app<...> lists them.
  /// Throws std::logic_error in a process that was started as a worker and has not yet run as one,
  /// and in a rank other than 0; std::invalid_argument for a setting or variable whose value is out
  /// of range; std::runtime_error where MPI is wanted and not there, or does not start; and
  /// std::system_error where the system has no descriptors or threads left.
  Cluster(AppTypes types, ClusterOptions options);
  /// @cond of cohort itself
  /// A worker's own workers. They have its session's secret, its settings, and ids below its own,
  /// which the process does not know where it serves several workers.
  Cluster(std::shared_ptr<Runtime> runtime, WorkerId self, Settings const& settings);
  /// @endcond
  /// Asks all workers that it spawned to end, kills those that have not after shutdown_timeout, and
  /// waits until every process is gone and on_failure has heard of all that failed; those that
  /// ShutdownOn::kCalledShutdown leaves alone live on. Calls and streams that wait for any of them
  /// fail as kDisconnected. A served worker is its handle's: where that outlives the cluster, so
  /// does the worker. Not from a callback, nor from on_failure: it waits for them. In a forked
  /// child of its process it does nothing: workers are their parent's.
  ~Cluster();
  Cluster(Cluster const&) = delete;
  Cluster& operator=(Cluster const&) = delete;

  /// How many workers spawn starts where its options name no number.
  [[nodiscard]] std::uint32_t workers() const noexcept;
  /// Those that it was made with, the environment's settings in place.
  [[nodiscard]] ClusterOptions const& options() const noexcept;
  /// The program's worker types.
  [[nodiscard]] AppTypes types() const noexcept;
  /// For Managed and connect().
  [[nodiscard]] std::shared_ptr<Runtime> const& runtime() const noexcept;
  /// @cond of cohort itself
  [[nodiscard]] Engine& engine() noexcept;
  /// @endcond

  /// Sends what is held back for company. A caller that makes a burst of calls and then computes
  /// instead of waiting gets them on their way at once; otherwise it takes at most two ms. Does not
  /// wait.
  void flush() noexcept;

  /// @cond of cohort itself
  /// The untyped half of cohort::serve.
  [[nodiscard]] std::shared_ptr<WorkerHandle> serve_here(WorkerTypeId type,
                                                         SpawnOptions const& options,
                                                         std::shared_ptr<Message const> init);

  /// Which of a group's places the spawned workers take (WorkerContext::index and count).
  struct Places {
    std::uint32_t first = 0;
    std::uint32_t group_size = 0;  ///< 0: as many as are spawned
  };
  /// The untyped half of cohort::spawn. All or none: where one worker fails, the others are ended
  /// and the first error is thrown.
  [[nodiscard]] std::vector<std::shared_ptr<RemoteWorker>> spawn_workers(
      WorkerTypeId type, SpawnOptions const& options, std::shared_ptr<Message const> init,
      Places places);
  /// Its first half: starts them and does not wait; what keeps one from starting, its constructed()
  /// says. Whom nobody wants any more is to be shut down.
  [[nodiscard]] std::vector<std::shared_ptr<RemoteWorker>> start_workers(
      WorkerTypeId type, SpawnOptions const& options, std::shared_ptr<Message const> init,
      Places places, Deadline deadline);
  /// Ends workers that were started in vain, and waits until they are gone.
  void end_in_vain(std::span<std::shared_ptr<RemoteWorker> const> workers) const;
  /// Whether a worker can still be started beside the `held` ones that the caller has. Not while
  /// the cluster ends, nor where every rank that lives is among those.
  [[nodiscard]] bool can_start_more(SpawnOptions const& options, std::size_t held) const;
  /// @endcond

 private:
  void open(std::shared_ptr<Runtime> runtime, WorkerId self, ClusterOptions options);
  [[nodiscard]] Settings settings_of(SpawnOptions const& options) const;
  [[nodiscard]] Clock::duration patience_with_ends() const;
  void end_workers();
  void start_threads(SpawnOptions const& options);
  void start_processes(std::span<std::shared_ptr<RemoteWorker> const> workers,
                       SpawnOptions const& options, Settings const& settings, SharedFiles& files);
  void start_under_mpi(std::span<std::shared_ptr<RemoteWorker> const> workers,
                       SpawnOptions const& options, Settings const& settings, Deadline deadline,
                       SharedFiles& files);
  /// Waits for a worker's agent, which has no socket where it does not come in time. Throws
  /// std::runtime_error where there is none.
  using FindAgent = std::function<AgentHandle()>;
  [[nodiscard]] FindAgent spawn_agent(std::shared_ptr<RemoteWorker> const& worker,
                                      Deadline deadline);
  void remember_start(std::future<void> start);
  [[nodiscard]] FindAgent take_rank(std::shared_ptr<RemoteWorker> const& worker,
                                    SpawnOptions const& options, Deadline deadline);

  [[nodiscard]] OutputOwner owner_of(RemoteWorker const& worker) const;
  [[nodiscard]] BootRecord boot_record(RemoteWorker const& worker, SpawnOptions const& options,
                                       Settings const& settings) const;

  std::shared_ptr<Session> session_;
  bool made_runtime_ = false;
  std::shared_ptr<Listener> listener_;  // for Transport::kTcp
  std::unique_ptr<AgentHall> hall_;     // over MPI
  RankPool* ranks_ = nullptr;           // for Launcher::kRanks
  std::mutex starts_mutex_;
  std::vector<std::future<void>> starts_;  // under MPI; each waits for its agent
};

}  // namespace cohort
