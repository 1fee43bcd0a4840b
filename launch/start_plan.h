// A process that is to be started: by posix_spawn here, or by an agent elsewhere (launch/agent.h).
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

#include "transports/socket.h"

namespace cohort {

/// What a process that an agent starts inherits, besides stdout and stderr, has numbers from here
/// up; high ones, since a process that runs already (launch/ranks.h) is to have them free.
inline constexpr int kFirstPassedOn = 100;
inline constexpr int kPassedOnAtMost = 6;

/// This process's variables, "NAME=value" each.
[[nodiscard]] std::vector<std::string> own_environment();

struct StartPlan {
  /// An open file, and the number under which the process inherits it.
  struct Inherited {
    UniqueFd file;
    int as = -1;
  };
  std::string path;
  bool look_up = false;  ///< in PATH
  std::vector<std::string> arguments;
  std::vector<std::string> environment;  ///< "NAME=value"
  std::string directory;                 ///< this process's own where empty
  std::vector<Inherited> descriptors;    ///< stdin is /dev/null without one for it
};

/// Starts it, as the leader of a process group of its own, without blocked or ignored signals.
/// Throws std::runtime_error that names the path. The kernel kills the process when the thread that
/// started it ends, where it asks for that (PR_SET_PDEATHSIG).
[[nodiscard]] pid_t start(StartPlan plan);

/// The same file under a number above stderr's, where redirections cannot hit it. Throws
/// std::system_error.
[[nodiscard]] UniqueFd above_stderr(UniqueFd fd);

/// Ends the process where it cannot be watched. Throws std::runtime_error.
[[nodiscard]] UniqueFd open_pidfd(pid_t pid, std::string const& path);

}  // namespace cohort
