#include "launch/agent.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <thread>
#include <utility>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/error.h"
#include "core/start_thread.h"
#include "launch/exit_status.h"
#include "launch/mpi_backend.h"
#include "launch/mpi_relay.h"
#include "launch/plan_transfer.h"

namespace cohort {
namespace {

using std::chrono::seconds;

constexpr seconds kHelloAtMost{2};
constexpr seconds kConnectAtMost{30};
constexpr seconds kStandInAtMost{10};

/// A parameter of MPI, which the master may have chosen, rather than one of its runtime.
bool is_of_mpi(std::string_view variable) {
  return variable.starts_with("OMPI_MCA_") && !variable.starts_with("OMPI_MCA_orte_") &&
         !variable.starts_with("OMPI_MCA_ess_");
}

/// Whether the master, which hangs up otherwise, wants the agent of a worker that has ended to
/// join.
bool is_to_join(int master) {
  set_nonblocking(master, false);
  char said = 0;
  return ::recv(master, &said, 1, 0) == 1 && said == kJoinInstead;
}

/// Those of the worker, in whose place this process may have to join MPI.
void take_on_parameters(StartPlan const& plan) {
  for (auto const& variable : plan.environment) {
    auto const name = name_of(variable);
    bool const is_parameter = is_of_mpi(name) || name.starts_with("UCX_");
    if (is_parameter) ::setenv(name.c_str(), variable.c_str() + name.size() + 1, 0);
  }
}

/// Whether this process is to join MPI in the place of its worker, which ended before it had: where
/// the master wants that, or cannot be asked.
bool start_and_watch() {
  std::string const variable = std::getenv(kAgentVariable);
  ::unsetenv(kAgentVariable);
  bool started = false;
  try {
    auto const slash = variable.rfind('/');
    auto const number = static_cast<std::uint32_t>(std::stoul(variable.substr(slash + 1)));
    auto const socket =
        go_to_hall(variable.substr(0, slash), number, required_mpi_backend().parent_port(),
                   Deadline::after(kConnectAtMost));
    auto plan = receive_plan(socket.get());
    if (!plan) return false;
    add_runtime_variables(*plan);
    take_on_parameters(*plan);
    relay_runtime(plan->environment);
    pid_t pid = -1;
    try {
      pid = start(std::move(*plan));
    } catch (std::exception const& error) {
      answer_plan(socket.get(), -1, error.what());
      return is_to_join(socket.get());
    }
    started = true;
    answer_plan(socket.get(), pid, {});
    watch_worker(socket.get(), pid);
    return is_to_join(socket.get());
  } catch (std::exception const& error) {
    std::fprintf(stderr, "cohort: agent (pid %d): %s\n", static_cast<int>(::getpid()),
                 error.what());
  }
  return !started;
}

}  // namespace

std::string name_of(std::string_view variable) {
  return std::string(variable.substr(0, variable.find('=')));
}

bool is_of_runtime(std::string_view variable) {
  constexpr std::array<std::string_view, 4> kPrefixes{"PMIX_", "OMPI_", "ORTE_", "PRTE_"};
  return std::any_of(kPrefixes.begin(), kPrefixes.end(),
                     [&](auto prefix) { return variable.starts_with(prefix); });
}

/// Always ends with 0: how its worker ended is none of the runtime's business, which might end the
/// whole job for it.
int run_agent() {
  keep_exit_statuses();
  if (auto* const mpi = mpi_backend(); start_and_watch() && mpi != nullptr) {
    try {
      start_thread("the patience with MPI", [] {
        std::this_thread::sleep_for(kStandInAtMost);
        ::_exit(EXIT_SUCCESS);
      }).detach();
    } catch (Error const&) {
      std::signal(SIGALRM, [](int) { ::_exit(EXIT_SUCCESS); });
      ::alarm(static_cast<unsigned>(kStandInAtMost.count()));
    }
    mpi->stand_in();
  }
  std::fflush(nullptr);
  finish_relays();
  ::_exit(EXIT_SUCCESS);  // whatever MPI would do at the end of a process that has joined
}

// ---- its steps ----------------------------------------------------------------------------------

ucred peer_of(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  check(::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size), "getsockopt(SO_PEERCRED)");
  return peer;
}

UniqueFd go_to_hall(std::string const& address, std::uint32_t number, std::string const& port,
                    Deadline deadline) {
  auto socket = connect_to({address, 0}, deadline);
  if (peer_of(socket.get()).uid != ::geteuid()) {
    throw std::runtime_error("the master is another user's");
  }
  set_nonblocking(socket.get(), false);
  AgentHello const hello{number, static_cast<std::uint32_t>(port.size())};
  auto const hello_deadline = Deadline::after(kHelloAtMost);
  send_exactly(socket.get(), &hello, sizeof hello, hello_deadline);
  send_exactly(socket.get(), port.data(), port.size(), hello_deadline);
  return socket;
}

void add_runtime_variables(StartPlan& plan) {
  std::erase_if(plan.environment, [](auto const& variable) {
    auto const name = name_of(variable);
    return is_of_runtime(name) && (!is_of_mpi(name) || std::getenv(name.c_str()) != nullptr);
  });
  for (auto& variable : own_environment()) {
    if (is_of_runtime(variable)) plan.environment.push_back(std::move(variable));
  }
}

void answer_plan(int master, pid_t pid, std::string const& text) {
  AgentAnswer const head{pid, static_cast<std::uint32_t>(text.size())};
  auto const deadline = Deadline::after(kConnectAtMost);
  send_exactly(master, &head, sizeof head, deadline);
  send_exactly(master, text.data(), text.size(), deadline);
}

bool watch_worker(int master, pid_t pid, int waiting) {
  auto const pidfd = open_pidfd(pid, "the worker");
  std::array<pollfd, 3> events{pollfd{pidfd.get(), POLLIN, 0}, pollfd{master, POLLIN, 0},
                               pollfd{waiting, POLLIN, 0}};
  char said = 0;
  for (bool leave = false; (events[0].revents & POLLIN) == 0;) {
    if (::poll(events.data(), events.size(), -1) < 0 && errno != EINTR) throw_errno("poll", errno);
    if (events[2].revents != 0) {
      if (::recv(waiting, &said, 1, MSG_DONTWAIT) == 1 && said == kWaitsAgain) {
        AgentExit const report{.waits_again = 1};
        static_cast<void>(::send(master, &report, sizeof report, MSG_NOSIGNAL));
        return true;
      }
      events[2].fd = -1;
    }
    if (events[1].revents == 0) continue;
    auto const count = ::recv(master, &said, 1, MSG_DONTWAIT);
    if (count == 1) leave = leave || said == kLeaveWorker;
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) {
      if (!leave) ::kill(-pid, SIGKILL);  // it leads a group
      events[1].fd = -1;
    }
  }
  auto const ended = take_exit(pidfd.get(), true).value_or(ExitReport());
  AgentExit const report{.status = ended.signal.value_or(ended.exit_code.value_or(0)),
                         .by_signal = ended.signal.has_value(),
                         .core_dumped = ended.core_dumped,
                         .unknown = !ended.signal && !ended.exit_code};
  static_cast<void>(::send(master, &report, sizeof report, MSG_NOSIGNAL));
  return false;
}

}  // namespace cohort
