// An agent: a process of this executable that somebody else's runtime (MPI's) started for us, and
// that has one worker in its place and tells how that ended. So a worker under MPI gets the same
// pipes, environment and working directory as a local one, and its exit code or signal is known.
//
// Both sides are on one machine: the plan's open files travel over a Unix socket in the abstract
// namespace, whose peer must be the same user. The master's side is launch/agent_hall.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <sys/socket.h>
#include <sys/types.h>

#include "core/clock.h"
#include "launch/start_plan.h"
#include "transports/socket.h"

namespace cohort {

/// The environment variable that makes a process an agent: the address to connect to, a slash, and
/// the number that the master knows it by.
inline constexpr char kAgentVariable[] = "COHORT_AGENT";

/// Of "NAME=value".
[[nodiscard]] std::string name_of(std::string_view variable);
/// Whether a variable is one by which an MPI runtime knows, or sets up, the processes of a job.
[[nodiscard]] bool is_of_runtime(std::string_view variable);

/// Is one, until its worker has ended. Returns its exit code.
[[nodiscard]] int run_agent();

// What agent and master say to each other, after the agent's hello: a plan, an Answer, and an Exit
// once the worker has ended.

struct AgentHello {
  std::uint32_t number = 0;     ///< that the master knows it by
  std::uint32_t port_size = 0;  ///< of the name that follows (MpiBackend::parent_port)
};
inline constexpr std::uint32_t kPortSizeAtMost = 1024;

struct AgentAnswer {
  std::int32_t pid = -1;
  std::uint32_t text_size = 0;  ///< of what went wrong, where pid is -1
};
struct AgentExit {
  std::int32_t status = 0;
  std::uint8_t by_signal = 0;
  std::uint8_t core_dumped = 0;
  std::uint8_t waits_again = 0;  ///< the process is there for another plan
  std::uint8_t unknown = 0;      ///< how it ended
};
/// What a rank's process says when it has initialised MPI, and when it has been a worker.
inline constexpr char kWaitsAgain = 'W';
/// The byte that the master sends before it goes, where the worker is to outlive it.
inline constexpr char kLeaveWorker = 'L';

/// The byte that the master sends after a worker's end, where the agent is to join MPI in its
/// place.
inline constexpr char kJoinInstead = 'J';

/// The process at the other end of a connected Unix socket. Throws std::system_error.
[[nodiscard]] ucred peer_of(int socket);

// The agent's steps, which its two kinds share: this one, and a rank of a job (launch/ranks.h).

/// Goes to the master's hall, and says where the call of MPI waits that started it, where one did.
/// Throws std::runtime_error.
[[nodiscard]] UniqueFd go_to_hall(std::string const& address, std::uint32_t number,
                                  std::string const& port, Deadline deadline);
/// The variables by which the runtime knows this process become the worker's, beside the parameters
/// of MPI that its master has.
void add_runtime_variables(StartPlan& plan);
void answer_plan(int master, pid_t pid, std::string const& text);
/// Until the worker has ended; the master's end ends it, unless it is to outlive that. Returns
/// whether its process waits to be another worker, which it says through `waiting`.
bool watch_worker(int master, pid_t pid, int waiting = -1);

}  // namespace cohort
