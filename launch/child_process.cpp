#include "launch/child_process.h"

#include <cerrno>
#include <csignal>
#include <thread>
#include <utility>

#include <sys/wait.h>

extern "C" {  // glibc 2.36 forgot to say so in this header
#include <sys/pidfd.h>
}

#include "core/error.h"

namespace cohort {

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

/// It stays our child, and would stay a zombie if it ended before this process does.
void ChildProcess::leave_alone() {
  forget();
  std::thread([pidfd = std::move(pidfd_)] {
    siginfo_t info{};
    while (::waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &info, WEXITED) < 0 &&
           errno == EINTR) {
    }
  }).detach();
}

/// The group's number is its leader's until that is reaped.
void WatchedProcess::kill() noexcept {
  bool const unreaped = ::pidfd_send_signal(pidfd_.get(), 0, nullptr, 0) == 0;
  if (group_ != 0 && unreaped) ::kill(-group_, SIGKILL);
  ::pidfd_send_signal(pidfd_.get(), SIGKILL, nullptr, 0);
}

bool ChildProcess::on_readable() noexcept {
  siginfo_t info{};
  ExitReport report;
  int const result = ::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED | WNOHANG);
  if (result == 0 && info.si_pid == 0) return false;  // not yet
  if (result == 0) {
    if (info.si_code == CLD_EXITED) {
      report.exit_code = info.si_status;
    } else {
      report.signal = info.si_status;
      report.core_dumped = info.si_code == CLD_DUMPED;
    }
  }  // else somebody else reaped it (the program waits for -1, or ignores SIGCHLD): unknown
  tell(std::move(report));
  return true;
}

}  // namespace cohort
