#include "launch/exit_status.h"

#include <cerrno>
#include <csignal>
#include <cstdint>

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

namespace cohort {
namespace {

/// What PIDFD_GET_INFO fills in, as far as version 0 of it goes; Debian 12's headers are older.
struct PidfdInfo {
  std::uint64_t mask;
  std::uint64_t cgroup_id;
  std::uint32_t ids[11];
  std::int32_t exit_code;  // as wait(2) gives it
};
static_assert(sizeof(PidfdInfo) == 64);
constexpr std::uint64_t kExitInfo = 1 << 3;
constexpr unsigned long kGetInfo = _IOWR(0xFF, 11, PidfdInfo);

/// Of one that was reaped: Linux 6.15 and later tell.
std::optional<ExitReport> exit_of_a_reaped(int pidfd) {
  PidfdInfo info{.mask = kExitInfo, .cgroup_id = 0, .ids = {}, .exit_code = 0};
  if (::ioctl(pidfd, kGetInfo, &info) != 0 || (info.mask & kExitInfo) == 0) return std::nullopt;
  ExitReport report;
  if (WIFEXITED(info.exit_code)) {
    report.exit_code = WEXITSTATUS(info.exit_code);
  } else {
    report.signal = WTERMSIG(info.exit_code);
    report.core_dumped = WCOREDUMP(info.exit_code);
  }
  return report;
}

bool ignores_ends_of_children() {
  struct sigaction now {};
  if (::sigaction(SIGCHLD, nullptr, &now) != 0) return false;
  return now.sa_handler == SIG_IGN || (now.sa_flags & SA_NOCLDWAIT) != 0;
}

}  // namespace

std::optional<ExitReport> take_exit(int pidfd, bool waits) {
  siginfo_t info{};
  int const how = WEXITED | (waits ? 0 : WNOHANG);
  int result = 0;
  do {
    result = ::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, how);
  } while (result < 0 && errno == EINTR);
  if (result == 0 && info.si_pid == 0) return std::nullopt;
  ExitReport report;
  if (result == 0) {
    if (info.si_code == CLD_EXITED) {
      report.exit_code = info.si_status;
    } else {
      report.signal = info.si_status;
      report.core_dumped = info.si_code == CLD_DUMPED;
    }
    return report;
  }
  pollfd ended{pidfd, POLLIN, 0};  // it is no child of ours, or is none any more
  if (::poll(&ended, 1, waits ? -1 : 0) == 0) return std::nullopt;
  if (auto known = exit_of_a_reaped(pidfd)) return known;
  report.unknown = ignores_ends_of_children()
                       ? "this program ignores SIGCHLD, and the kernel keeps no exit status for it"
                       : "something else in this program waited for it (for any child, perhaps)";
  return report;
}

void keep_exit_statuses() noexcept { ::signal(SIGCHLD, SIG_DFL); }

}  // namespace cohort
