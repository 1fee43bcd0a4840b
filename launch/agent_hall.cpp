#include "launch/agent_hall.h"

#include <array>
#include <cerrno>
#include <exception>
#include <stdexcept>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

extern "C" {  // glibc 2.36 forgot to say so in this header
#include <sys/pidfd.h>
}

#include "core/start_thread.h"
#include "launch/agent.h"
#include "launch/plan_transfer.h"

namespace cohort {
namespace {

constexpr std::chrono::seconds kHelloAtMost{2};

}  // namespace

AgentHall::AgentHall(std::string const& address)
    : stop_(check(::eventfd(0, EFD_CLOEXEC), "eventfd")) {
  std::tie(listener_, endpoint_) = listen_unix(1024, address);
  thread_ = start_thread("the agents of MPI workers", [this] { run(); });
}

AgentHall::~AgentHall() {
  std::uint64_t const one = 1;
  [[maybe_unused]] auto const written = ::write(stop_.get(), &one, sizeof one);
  thread_.join();
}

std::string AgentHall::variable_of(std::uint32_t number) const {
  return endpoint_.host + '/' + std::to_string(number);
}

void AgentHall::run() {
  for (;;) {
    std::array<pollfd, 2> events{pollfd{listener_.get(), POLLIN, 0},
                                 pollfd{stop_.get(), POLLIN, 0}};
    ::poll(events.data(), events.size(), -1);
    if (events[1].revents != 0) return;
    try {
      if (auto socket = accept_connection(listener_.get())) greet(std::move(*socket));
    } catch (std::exception const&) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));  // no descriptor is left
    }
  }
}

void AgentHall::greet(UniqueFd socket) {
  AgentHello hello;
  auto const deadline = Deadline::after(kHelloAtMost);
  if (peer_of(socket.get()).uid != ::geteuid() ||
      !receive_exactly(socket.get(), &hello, sizeof hello, deadline) ||
      hello.port_size > kPortSizeAtMost) {
    return;
  }
  Arrival arrival{std::move(socket), std::string(hello.port_size, '\0')};
  if (!receive_exactly(arrival.socket.get(), arrival.port.data(), arrival.port.size(), deadline)) {
    return;
  }
  std::lock_guard const lock(mutex_);
  if (auto const late = given_up_.find(hello.number); late != given_up_.end()) {
    static_cast<void>(hand_over(std::move(arrival), late->second));
    return;
  }
  agents_.insert_or_assign(hello.number, std::move(arrival));
  ++have_come_;
  came_.notify_all();
}

AgentHandle AgentHall::hand_over(Arrival arrival, std::shared_ptr<SpawnCall> call) {
  if (call) call->agent_came(std::move(arrival.port));
  AgentHandle agent;
  agent.socket = std::move(arrival.socket);
  agent.call = std::move(call);
  return agent;
}

AgentHandle AgentHall::wait_for(std::uint32_t number, Deadline deadline,
                                std::shared_ptr<SpawnCall> call) {
  std::unique_lock lock(mutex_);
  came_.wait_until(lock, deadline.at(), [&] { return closed_ || agents_.contains(number); });
  auto const found = agents_.find(number);
  if (found == agents_.end()) {
    given_up_.emplace(number, std::move(call));
    return {};
  }
  auto arrival = std::move(found->second);
  agents_.erase(found);
  lock.unlock();
  return hand_over(std::move(arrival), std::move(call));
}

bool AgentHall::has_left(std::uint32_t number) {
  std::lock_guard const lock(mutex_);
  auto const found = agents_.find(number);
  return found != agents_.end() && has_hung_up(found->second.socket.get());
}

void AgentHall::wait_for_all(std::uint32_t count, Deadline deadline) {
  std::unique_lock lock(mutex_);
  came_.wait_until(lock, deadline.at(), [&] { return have_come_ >= count; });
}

void AgentHall::close() {
  std::lock_guard const lock(mutex_);
  closed_ = true;
  came_.notify_all();
}

Starter starter_through(AgentHandle agent, Deadline deadline) {
  auto const pid = peer_of(agent.socket.get()).pid;
  auto shared = std::make_shared<AgentHandle>(std::move(agent));
  return {.parent = pid, .renumbers = true, .start = [shared, deadline](StartPlan plan) {
            int const socket = shared->socket.get();
            send_plan(socket, plan, deadline);
            plan.descriptors.clear();
            AgentAnswer head;
            if (!receive_exactly(socket, &head, sizeof head, deadline)) {
              throw std::runtime_error("the agent hung up");
            }
            if (head.pid < 0) {
              std::string text(head.text_size, '\0');
              receive_exactly(socket, text.data(), text.size(), deadline);
              throw std::runtime_error(text);
            }
            StartedProcess started{.pid = head.pid, .pidfd = {}, .agent = std::move(*shared)};
            started.pidfd = UniqueFd(::pidfd_open(started.pid, 0));  // not where it ended already
            return started;
          }};
}

AgentsProcess::AgentsProcess(Engine& engine, AgentHandle agent, UniqueFd pidfd,
                             std::function<void(ExitReport)> on_exit, pid_t group)
    : WatchedProcess(engine, std::move(pidfd), std::move(on_exit), group),
      agent_(std::move(agent)) {
  set_nonblocking(agent_.socket.get(), true);
}

void AgentsProcess::expect_end() {
  if (agent_.lender) agent_.lender->expect_back();
}

void AgentsProcess::leave_alone() {
  forget();
  static_cast<void>(::send(agent_.socket.get(), &kLeaveWorker, 1, MSG_NOSIGNAL));
}

bool AgentsProcess::on_readable() noexcept {
  AgentExit exit;
  auto const count = ::recv(agent_.socket.get(), &exit, sizeof exit, MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  ExitReport report;
  if (count != sizeof exit) {
    report.unknown = "the agent that had started it is gone";
  } else if (exit.unknown != 0) {
    report.unknown = "something else in its agent's process took its exit status";
  } else {
    (exit.by_signal != 0 ? report.signal : report.exit_code) = exit.status;
    report.core_dumped = exit.core_dumped != 0;
  }
  bool const back = count == sizeof exit && exit.waits_again != 0 && agent_.lender;
  tell(std::move(report), [&] {
    if (!back) return;
    set_nonblocking(agent_.socket.get(), false);
    agent_.lender->take_back(std::move(agent_.socket));
  });
  return true;
}

}  // namespace cohort
