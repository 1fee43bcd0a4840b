// The master's handle on its workers: spawn them through it; when it goes, they go.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/message.h"
#include "launch/app_types.h"
#include "launch/options.h"

namespace cohort {

class Engine;
class RemoteWorker;
class Session;

/// One per master. Any thread may spawn through it. Futures must not be waited for once it is gone.
class Cluster {
 public:
  /// `types` are the program's worker types, as start_app<...> lists them.
  Cluster(AppTypes types, ClusterOptions options);
  /// Asks all workers to end, kills those that do not, and waits until every process is gone.
  ~Cluster();
  Cluster(Cluster const&) = delete;
  Cluster& operator=(Cluster const&) = delete;

  /// How many workers spawn starts where its options name no number.
  [[nodiscard]] std::uint32_t workers() const noexcept;
  [[nodiscard]] ClusterOptions const& options() const noexcept;
  [[nodiscard]] AppTypes types() const noexcept;
  [[nodiscard]] Engine& engine() noexcept;

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

 private:
  class Listener;
  void start_processes(std::span<std::shared_ptr<RemoteWorker> const> workers,
                       std::span<std::uint32_t const> serials, SpawnOptions const& options);

  std::unique_ptr<Session> session_;
  std::shared_ptr<Listener> listener_;  // for Transport::kTcp, from the first spawn on
};

}  // namespace cohort
