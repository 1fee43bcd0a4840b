#include "core/start_thread.h"

#include <array>
#include <cerrno>

#include <unistd.h>

#include "core/error.h"

namespace cohort {

std::string limits_behind(int error) {
  if (error != EAGAIN && error != ENOMEM) return {};
  return ": look at the limits on processes and threads (ulimit -u, pids.max of the cgroup, "
         "/proc/sys/kernel/threads-max) and on memory (ulimit -v, memory.max)";
}

void throw_no_thread(char const* what, std::error_code const& why) {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  throw Error(ErrorKind::kRefused, "cannot start a thread for " + std::string(what) + " (pid " +
                                       std::to_string(::getpid()) + " on " + host.data() +
                                       "): " + why.message() + limits_behind(why.value()));
}

}  // namespace cohort
