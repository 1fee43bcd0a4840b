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

#include "launch/agent.h"
#include "launch/plan_transfer.h"

namespace cohort {
namespace {

constexpr std::chrono::seconds kHelloAtMost{2};

}  // namespace

AgentHall::AgentHall(std::string const& address)
    : stop_(check(::eventfd(0, EFD_CLOEXEC), "eventfd")) {
  std::tie(listener_, endpoint_) = listen_unix(1024, address);
  thread_ = std::thread([this] { run(); });
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
  std::uint32_t number = 0;
  if (peer_of(socket.get()).uid != ::geteuid() ||
      !receive_exactly(socket.get(), &number, sizeof number, Deadline::after(kHelloAtMost))) {
    return;
  }
  std::lock_guard const lock(mutex_);
  if (given_up_.contains(number)) return;
  agents_.insert_or_assign(number, std::move(socket));
  ++have_come_;
  came_.notify_all();
}

UniqueFd AgentHall::wait_for(std::uint32_t number, Deadline deadline) {
  std::unique_lock lock(mutex_);
  came_.wait_until(lock, deadline.at(), [&] { return closed_ || agents_.contains(number); });
  auto const found = agents_.find(number);
  if (found == agents_.end()) {
    given_up_.insert(number);
    return {};
  }
  auto agent = std::move(found->second);
  agents_.erase(found);
  return agent;
}

bool AgentHall::has_left(std::uint32_t number) {
  std::lock_guard const lock(mutex_);
  auto const found = agents_.find(number);
  return found != agents_.end() && has_hung_up(found->second.get());
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
      agent_(std::move(agent)),
      spared_until_(agent_.lender ? Clock::time_point() : Clock::now() + kJoinsMpi) {
  set_nonblocking(agent_.socket.get(), true);
}

void AgentsProcess::expect_end() {
  if (agent_.lender) agent_.lender->expect_back();
}

void AgentsProcess::stand_in() {
  if (agent_.socket) {
    static_cast<void>(::send(agent_.socket.get(), &kJoinInstead, 1, MSG_NOSIGNAL));
  }
}

void AgentsProcess::leave_alone() {
  forget();
  static_cast<void>(::send(agent_.socket.get(), &kLeaveWorker, 1, MSG_NOSIGNAL));
}

void AgentsProcess::kill() noexcept {
  if (Clock::now() >= spared_until_) return WatchedProcess::kill();
  engine_.timers().schedule(spared_until_, [self = weak_from_this()] {
    if (auto const process = self.lock()) static_cast<AgentsProcess&>(*process).kill();
  });
}

bool AgentsProcess::on_readable() noexcept {
  AgentExit exit;
  auto const count = ::recv(agent_.socket.get(), &exit, sizeof exit, MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  ExitReport report;
  if (count == sizeof exit) {
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
