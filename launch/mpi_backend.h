// What the target cohort::mpi adds to a program that links it; others neither link nor load MPI.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
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

  /// In the master: initialises MPI, once, and sees to its end with the process. What it chose goes
  /// to the log. Throws std::runtime_error with one line.
  virtual void start(MpiOptions const& options) = 0;
  /// Starts a process of this executable as an agent; `agent_variable` is what its environment says
  /// (launch/agent.h), `label` its argument. The worker below it is what MPI talks to.
  virtual void spawn(std::string agent_variable, std::string label, Spawned done) = 0;
  /// In an agent that has started no worker: joins MPI in its place, for no longer than a few
  /// seconds, since the call of spawn() would wait for ever.
  virtual void stand_in() noexcept = 0;
  /// In a worker: initialises MPI, and makes the plane to its master. Throws std::runtime_error.
  virtual std::shared_ptr<DataPlane> join(Engine& engine) = 0;
};

/// Null in a program without cohort::mpi.
[[nodiscard]] MpiBackend* mpi_backend() noexcept;
/// The same, but throws std::runtime_error that says what to do.
[[nodiscard]] MpiBackend& required_mpi_backend();

}  // namespace cohort
