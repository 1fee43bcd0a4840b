// The master's side of agents (launch/agent.h): they come to a hall, and each starts one process.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "core/clock.h"
#include "core/engine.h"
#include "core/error.h"
#include "launch/child_process.h"
#include "launch/local_launcher.h"
#include "transports/socket.h"

namespace cohort {

/// Agents that have connected, by their numbers. Any thread.
class AgentHall {
 public:
  /// At an address that the system chooses, where none is given. Throws std::system_error.
  explicit AgentHall(std::string const& address = {});
  ~AgentHall();

  /// What an agent's variable must say.
  [[nodiscard]] std::string variable_of(std::uint32_t number) const;
  /// The agent of that number, which `call` has started, where one has; without a socket where it
  /// has not come by then, or after close(). One that comes later is let go.
  [[nodiscard]] AgentHandle wait_for(std::uint32_t number, Deadline deadline,
                                     std::shared_ptr<SpawnCall> call = {});
  /// Whether that one has come, and gone again.
  [[nodiscard]] bool has_left(std::uint32_t number);
  /// Waits until so many have come in all.
  void wait_for_all(std::uint32_t count, Deadline deadline);
  void close();

 private:
  void run();
  void greet(UniqueFd socket);

  UniqueFd listener_;
  Endpoint endpoint_;
  UniqueFd stop_;
  std::mutex mutex_;
  std::condition_variable came_;
  struct Arrival {
    UniqueFd socket;
    std::string port;
  };
  [[nodiscard]] static AgentHandle hand_over(Arrival arrival, std::shared_ptr<SpawnCall> call);

  std::map<std::uint32_t, Arrival> agents_;
  std::map<std::uint32_t, std::shared_ptr<SpawnCall>> given_up_;
  std::uint32_t have_come_ = 0;
  bool closed_ = false;
  std::thread thread_;
};

/// Starts a process through that agent, once. Throws std::runtime_error that says what failed.
[[nodiscard]] Starter starter_through(AgentHandle agent, Deadline deadline);

/// A process that an agent started, watched through the agent.
class AgentsProcess : public WatchedProcess {
 public:
  /// `on_exit` is given an empty report where the agent is gone.
  AgentsProcess(Engine& engine, AgentHandle agent, UniqueFd pidfd,
                std::function<void(ExitReport)> on_exit, pid_t group);

  void expect_end() override;
  void leave_alone() override;

  [[nodiscard]] int descriptor() const noexcept override { return agent_.socket.get(); }
  bool on_readable() noexcept override;

 private:
  AgentHandle agent_;
};

}  // namespace cohort
