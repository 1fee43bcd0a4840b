#include "launch/child_process.h"

#include <csignal>
#include <system_error>
#include <thread>
#include <utility>

extern "C" {  // glibc 2.36 forgot to say so in this header
#include <sys/pidfd.h>
}

#include "core/error.h"
#include "core/start_thread.h"
#include "launch/exit_status.h"

namespace cohort {

/// The group's number is its leader's until that is reaped.
void kill_process(int pidfd, pid_t group) noexcept {
  bool const unreaped = ::pidfd_send_signal(pidfd, 0, nullptr, 0) == 0;
  if (group != 0 && unreaped) ::kill(-group, SIGKILL);
  ::pidfd_send_signal(pidfd, SIGKILL, nullptr, 0);
}

void reap_whenever_it_ends(UniqueFd pidfd) noexcept try {
  start_thread("the end of a worker that was let go", [pidfd = std::move(pidfd)] {
    static_cast<void>(take_exit(pidfd.get(), true));
  }).detach();
} catch (Error const&) {
  // Then it stays a zombie as long as this process lives.
}

WatchedProcess::WatchedProcess(Engine& engine, UniqueFd pidfd,
                               std::function<void(ExitReport)> on_exit, pid_t group)
    : pidfd_(std::move(pidfd)), engine_(engine), on_exit_(std::move(on_exit)), group_(group) {}

void WatchedProcess::forget() {
  on_exit_ = nullptr;
  engine_.detach(*this);
}

void WatchedProcess::tell(ExitReport report, std::function<void()> const& first) {
  engine_.detach(*this);
  if (first) first();
  if (on_exit_) std::exchange(on_exit_, nullptr)(std::move(report));
}

ChildProcess::ChildProcess(Engine& engine, UniqueFd pidfd, std::function<void(ExitReport)> on_exit,
                           pid_t group)
    : WatchedProcess(engine, std::move(pidfd), std::move(on_exit), group) {}

void ChildProcess::leave_alone() {
  forget();
  reap_whenever_it_ends(std::move(pidfd_));
}

void WatchedProcess::kill() noexcept { kill_process(pidfd_.get(), group_); }

bool ChildProcess::on_readable() noexcept {
  auto report = take_exit(pidfd_.get());
  if (!report) return false;
  tell(std::move(*report));
  return true;
}

}  // namespace cohort
