// Starts a worker's process on this machine: the running executable, by posix_spawn or through an
// agent.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "launch/boot.h"
#include "launch/mpi_backend.h"
#include "launch/options.h"
#include "launch/start_plan.h"
#include "transports/socket.h"

namespace cohort {

/// Whose agents can be had again, for another worker. Under the I/O lock.
class AgentLender {
 public:
  virtual ~AgentLender() = default;
  /// The worker was asked to end.
  virtual void expect_back() = 0;
  /// It has ended, and the agent waits.
  virtual void take_back(UniqueFd agent) = 0;
};
/// The agent that started a process, where this one did not (launch/agent_hall.h).
struct AgentHandle {
  UniqueFd socket;
  std::shared_ptr<AgentLender> lender;  ///< null where the agent ends with its worker
  std::shared_ptr<SpawnCall> call;      ///< that started the agent, where one did

  AgentHandle() = default;
  AgentHandle(AgentHandle&&) = default;
  AgentHandle& operator=(AgentHandle&& other) noexcept {
    std::swap(socket, other.socket);
    lender.swap(other.lender);
    call.swap(other.call);
    return *this;
  }
  ~AgentHandle() {
    if (call) call->let_go(std::move(socket));
  }
};

struct LocalProcess {
  pid_t pid = -1;
  pid_t group = 0;  ///< to kill with it, where a wrapping command may have the worker as its child
  UniqueFd pidfd;
  AgentHandle agent;
  UniqueFd socket;       ///< our end of the control connection, for Transport::kUnix
  UniqueFd stdin_pipe;   ///< to write to, for SpawnOptions of spawn_in_foreground
  UniqueFd stdout_pipe;  ///< to read from, for Redirect::Mode::kForward and kPipe
  UniqueFd stderr_pipe;
};

struct StartedProcess {
  pid_t pid = -1;
  UniqueFd pidfd;
  AgentHandle agent;
};
/// Who starts processes.
struct Starter {
  pid_t parent = 0;        ///< of what it starts
  bool renumbers = false;  ///< what it starts inherits descriptors under small numbers of its own
  std::function<StartedProcess(StartPlan)> start;

  /// This process.
  [[nodiscard]] static Starter here();
};

/// Where a process writes to, and what its master reads from.
struct Outputs {
  std::vector<StartPlan::Inherited> files;
  UniqueFd stdout_pipe;
  UniqueFd stderr_pipe;
};
/// The files of kTruncate that the workers of one spawn call share.
struct SharedFiles {
  bool are_emptied = true;  ///< by the first worker that has one
  std::set<std::filesystem::path> emptied{};
};
/// Opens them here rather than in the process, so that a failure can name the file. Throws
/// std::system_error or std::runtime_error.
[[nodiscard]] Outputs open_outputs(SpawnOptions const& options, OutputOwner const& owner,
                                   SharedFiles& shared);

/// Starts one process. Call it from a thread that lives as long as the workers are to live: the
/// kernel kills them (PR_SET_PDEATHSIG) when the thread that started them ends. `boot` says all but
/// the inherited socket. Throws std::system_error or std::runtime_error that names the step.
[[nodiscard]] LocalProcess start_local_process(BootRecord boot,
                                               std::vector<std::string> const& arguments,
                                               SpawnOptions const& options, Outputs outputs,
                                               Starter const& starter = Starter::here());

}  // namespace cohort
