// An agent: a process of this executable that somebody else's runtime (MPI's) started for us, and
// that starts one worker in its place and tells how that ended. So a worker under MPI gets the same
// pipes, environment and working directory as a local one, and its exit code or signal is known.
//
// Both sides are on one machine: the plan's open files travel over a Unix socket in the abstract
// namespace, whose peer must be the same user.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "core/clock.h"
#include "core/engine.h"
#include "core/error.h"
#include "launch/child_process.h"
#include "launch/local_launcher.h"
#include "transports/socket.h"

namespace cohort {

/// The environment variable that makes a process an agent: the address to connect to, a slash, and
/// the number that the master knows it by.
inline constexpr char kAgentVariable[] = "COHORT_AGENT";

/// Whether a variable is one by which an MPI runtime knows, or sets up, the processes of a job.
[[nodiscard]] bool is_of_runtime(std::string_view variable);

/// Is one, until its worker has ended. Returns its exit code.
[[nodiscard]] int run_agent();

/// The master's side: agents that have connected, by their numbers. Any thread.
class AgentHall {
 public:
  AgentHall();
  ~AgentHall();

  /// What an agent's variable must say.
  [[nodiscard]] std::string variable_of(std::uint32_t number) const;
  /// The agent of that number; nothing where it has not come by then, or after close().
  [[nodiscard]] UniqueFd wait_for(std::uint32_t number, Deadline deadline);
  void close();

 private:
  void run();
  void greet(UniqueFd socket);

  UniqueFd listener_;
  Endpoint endpoint_;
  UniqueFd stop_;
  std::mutex mutex_;
  std::condition_variable came_;
  std::map<std::uint32_t, UniqueFd> agents_;
  bool closed_ = false;
  std::thread thread_;
};

/// Starts a process through that agent, once. Throws std::runtime_error that says what failed.
[[nodiscard]] Starter starter_through(UniqueFd agent, Deadline deadline);

/// A process that an agent started, watched through the agent.
class AgentsProcess : public WatchedProcess {
 public:
  /// `on_exit` is given an empty report where the agent is gone.
  AgentsProcess(Engine& engine, UniqueFd agent, UniqueFd pidfd,
                std::function<void(ExitReport)> on_exit, pid_t group);

  void leave_alone() override;

  [[nodiscard]] int descriptor() const noexcept override { return agent_.get(); }
  bool on_readable() noexcept override;

 private:
  UniqueFd agent_;
};

}  // namespace cohort
