#include "launch/start_plan.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <stdexcept>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern "C" {  // glibc 2.36 forgot to say so in this header
#include <sys/pidfd.h>
}

#include "core/error.h"
#include "core/start_thread.h"

extern char** environ;

namespace cohort {
namespace {

/// posix_spawn's functions return the error rather than set errno.
void check_spawn(int error, char const* call) {
  if (error != 0) throw_errno(call, error);
}

class FileActions {
 public:
  FileActions() { check_spawn(::posix_spawn_file_actions_init(&actions_), "file_actions_init"); }
  FileActions(FileActions const&) = delete;
  FileActions& operator=(FileActions const&) = delete;
  ~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }

  void open(int descriptor, char const* path, int flags) {
    check_spawn(::posix_spawn_file_actions_addopen(&actions_, descriptor, path, flags, 0666),
                "file_actions_addopen");
  }
  /// With from == to it only takes the close-on-exec flag away.
  void dup(int from, int to) {
    check_spawn(::posix_spawn_file_actions_adddup2(&actions_, from, to), "file_actions_adddup2");
  }
  void change_directory(char const* path) {
    check_spawn(::posix_spawn_file_actions_addchdir_np(&actions_, path), "file_actions_addchdir");
  }
  [[nodiscard]] posix_spawn_file_actions_t const* get() const noexcept { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

/// A group of its own, so that Ctrl-C at the terminal reaches the master alone; no blocked and no
/// ignored signals that the master happens to have.
class Attributes {
 public:
  Attributes() {
    check_spawn(::posix_spawnattr_init(&attributes_), "spawnattr_init");
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    ::posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  Attributes(Attributes const&) = delete;
  Attributes& operator=(Attributes const&) = delete;
  ~Attributes() { ::posix_spawnattr_destroy(&attributes_); }
  [[nodiscard]] posix_spawnattr_t const* get() const noexcept { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (auto& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

std::vector<std::string> own_environment() {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    variables.emplace_back(*variable);
  }
  return variables;
}

pid_t start(StartPlan plan) {
  FileActions actions;
  actions.open(STDIN_FILENO, "/dev/null", O_RDONLY);
  if (!plan.directory.empty()) actions.change_directory(plan.directory.c_str());
  for (auto const& each : plan.descriptors) actions.dup(each.file.get(), each.as);
  auto const argv = pointers_to(plan.arguments);
  auto const envp = pointers_to(plan.environment);
  Attributes const attributes;
  auto* const spawn = plan.look_up ? &::posix_spawnp : &::posix_spawn;
  pid_t pid = -1;
  int const error =
      spawn(&pid, plan.path.c_str(), actions.get(), attributes.get(), argv.data(), envp.data());
  if (error != 0) {
    throw std::runtime_error("cannot start " + plan.path + ": " + std::strerror(error) +
                             limits_behind(error));
  }
  return pid;
}

UniqueFd above_stderr(UniqueFd fd) {
  if (fd.get() > STDERR_FILENO) return fd;
  return UniqueFd(check(::fcntl(fd.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1), "fcntl(F_DUPFD)"));
}

/// Ends the process where it cannot be watched.
UniqueFd open_pidfd(pid_t pid, std::string const& path) {
  UniqueFd pidfd(::pidfd_open(pid, 0));
  if (pidfd) return pidfd;
  int const error = errno;
  // Where the program ignores SIGCHLD, the kernel reaps a process that ends at once.
  if (error == ESRCH) throw std::runtime_error(path + " ended as soon as it was started");
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  throw_errno("pidfd_open", error);
}

}  // namespace cohort
