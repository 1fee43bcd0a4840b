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

namespace cohort {

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
  virtual void spawn(std::string agent_variable, std::string label, std::function<bool()> wanted,
                     Spawned done) = 0;
  /// In an agent that has no worker: joins MPI in its place, for whoever waits there. May hang.
  virtual void stand_in() noexcept = 0;
  /// In a worker: MPI_Init. Throws std::runtime_error.
  virtual void initialise() = 0;
  /// In a worker: initialises MPI, where that was not done, and makes the plane to its master.
  /// Throws std::runtime_error.
  virtual std::shared_ptr<DataPlane> join(Engine& engine, std::uint32_t life) = 0;
};

/// Null in a program without cohort::mpi.
[[nodiscard]] MpiBackend* mpi_backend() noexcept;
/// The same, but throws std::runtime_error that says what to do.
[[nodiscard]] MpiBackend& required_mpi_backend();

}  // namespace cohort
