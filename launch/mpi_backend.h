// What the target cohort::mpi adds to a program that links it; others neither link nor load MPI.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/data_plane.h"
#include "core/engine.h"
#include "launch/options.h"
#include "transports/socket.h"

namespace cohort {

/// A call of MPI_Comm_spawn, as the master sees it that starts the worker below its agent. Any
/// thread.
class SpawnCall {
 public:
  virtual ~SpawnCall() = default;
  /// The agent has come, and said where the call waits (MpiBackend::parent_port). Before it starts
  /// its worker.
  virtual void agent_came(std::string port) noexcept = 0;
  /// The worker is gone, or will not be started. A call that still waits for it returns; its agent,
  /// by whose end the runtime would forget what the call asks about, is kept until then.
  virtual void let_go(UniqueFd agent) noexcept = 0;
};

class MpiBackend {
 public:
  /// Makes the data plane of a worker, for the engine whose hub polls it.
  using MakePlane = std::function<std::shared_ptr<DataPlane>(Engine&)>;
  /// How a spawn ended: with a plane, or with one line that says what went wrong. On a thread of
  /// the backend; perhaps never, where MPI hangs.
  using Spawned = std::function<void(MakePlane plane, std::string failure)>;

  virtual ~MpiBackend() = default;

  /// Where this process stands in the job that it was started in.
  struct JobPlace {
    std::uint32_t rank = 0;
    std::uint32_t size = 1;
    std::string job;  ///< its name, the same in all of its ranks
  };
  /// Nothing where it was started alone. Asks the environment, not MPI.
  [[nodiscard]] virtual std::optional<JobPlace> place_in_job() const = 0;

  /// In a process that is no worker: mpirun, which ends with 0 under --enable-recovery, ends with 1
  /// where rank 0 crashes, or any rank's exit status is not 0. Idempotent; before it has threads.
  virtual void mind_exit_status() = 0;
  /// In the master: initialises MPI, once, and sees to its end with the process. What it chose goes
  /// to the log. Throws std::runtime_error with one line.
  virtual void start(Launcher launcher, MpiOptions const& options) = 0;
  /// In a rank's agent: sets what the worker needs before it initialises MPI.
  virtual void prepare_rank(MpiOptions const& options) = 0;
  /// What the master's calls to that rank of its own job travel over. What was left under way to
  /// an earlier worker there does not meet them: `life` is how many it has been before.
  [[nodiscard]] virtual MakePlane plane_to_rank(std::uint32_t rank, std::uint32_t life) = 0;
  /// Starts a process of this executable as an agent; `agent_variable` is what its environment says
  /// (launch/agent.h), `label` its argument. The worker below it is what MPI talks to. The call may
  /// have to wait for others; it is not made, and `done` not called, where `wanted` says no then.
  /// Throws Error (kRefused) where there is no thread for it.
  [[nodiscard]] virtual std::shared_ptr<SpawnCall> spawn(std::string agent_variable,
                                                         std::string label,
                                                         std::function<bool()> wanted,
                                                         Spawned done) = 0;
  /// In an agent: where the call of MPI waits that started it; empty in a rank's.
  [[nodiscard]] virtual std::string parent_port() const = 0;
  /// In an agent whose process died before it joined MPI: joins in its place, for the other ranks
  /// of the job, or a call of MPI_Comm_spawn that nobody can answer, wait there. May hang.
  virtual void stand_in() noexcept = 0;
  /// In a worker: MPI_Init. Throws std::runtime_error.
  virtual void initialise() = 0;
  /// In a worker that ends in an orderly way, and asks nothing more of MPI.
  virtual void leave() noexcept = 0;
  /// In a worker: initialises MPI, where that was not done, and makes the plane to its master.
  /// Throws std::runtime_error.
  virtual std::shared_ptr<DataPlane> join(Engine& engine, std::uint32_t life) = 0;
};

/// Null in a program without cohort::mpi.
[[nodiscard]] MpiBackend* mpi_backend() noexcept;
/// The same, but throws std::runtime_error that says what to do.
[[nodiscard]] MpiBackend& required_mpi_backend();

}  // namespace cohort
