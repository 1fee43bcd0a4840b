#include "launch/local_launcher.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern "C" {  // glibc 2.36 forgot to say so in this header
#include <sys/pidfd.h>
}

#include "core/error.h"

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

std::pair<UniqueFd, UniqueFd> make_pipe() {
  int ends[2];
  check(::pipe2(ends, O_CLOEXEC), "pipe2");
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

/// The same file under a number above stderr's, where redirections cannot hit it.
UniqueFd above_stderr(UniqueFd fd) {
  if (fd.get() > STDERR_FILENO) return fd;
  return UniqueFd(check(::fcntl(fd.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1), "fcntl(F_DUPFD)"));
}

/// Arranges the child's descriptor; gives the pipe to read from, where there is one. `keep` holds
/// what must stay open until the child is started.
UniqueFd redirect(FileActions& actions, Redirect const& redirect, int descriptor,
                  std::vector<UniqueFd>& keep) {
  switch (redirect.mode) {
    case Redirect::Mode::kPipe:
    case Redirect::Mode::kForward: {
      auto [read_end, write_end] = make_pipe();
      keep.push_back(above_stderr(std::move(write_end)));
      actions.dup(keep.back().get(), descriptor);
      return std::move(read_end);
    }
    case Redirect::Mode::kNull:
      actions.open(descriptor, "/dev/null", O_WRONLY);
      return {};
    case Redirect::Mode::kAppend:
    case Redirect::Mode::kTruncate: {
      // Opened here rather than in the child, so that a failure can name the file.
      int const how = redirect.mode == Redirect::Mode::kAppend ? O_APPEND : O_TRUNC;
      // A FIFO that nobody reads must not hold the launcher up: it fails instead (ENXIO).
      UniqueFd file(::open(redirect.path.c_str(),
                           O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | how, 0666));
      if (!file) {
        throw std::runtime_error("cannot open " + redirect.path.string() +
                                 " for a worker's output: " + std::strerror(errno));
      }
      set_nonblocking(file.get(), false);
      keep.push_back(above_stderr(std::move(file)));
      actions.dup(keep.back().get(), descriptor);
      return {};
    }
  }
  return {};
}

std::vector<std::string> child_environment(int boot_descriptor, SpawnOptions const& options) {
  auto wanted = options.environment;
  bool const outlives = options.shutdown_on == ShutdownOn::kCalledShutdown;
  wanted[kWorkerVariable] =
      std::to_string(boot_descriptor) + ':' + std::to_string(outlives ? 0 : ::getpid());
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    std::string_view const text(*variable);
    if (!wanted.contains(std::string(text.substr(0, text.find('='))))) variables.emplace_back(text);
  }
  for (auto const& [name, value] : wanted) variables.push_back(name + '=' + value);
  return variables;
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

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (auto& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

LocalProcess start_local_process(BootRecord boot, std::vector<std::string> const& extra_arguments,
                                 SpawnOptions const& options) {
  LocalProcess process;
  FileActions actions;
  std::vector<UniqueFd> keep;

  actions.open(STDIN_FILENO, "/dev/null", O_RDONLY);
  process.stdout_pipe = redirect(actions, options.redirect_stdout, STDOUT_FILENO, keep);
  process.stderr_pipe = redirect(actions, options.redirect_stderr, STDERR_FILENO, keep);
  if (!options.directory.empty()) actions.change_directory(options.directory.c_str());
  if (boot.transport == Transport::kUnix) {
    auto [ours, theirs] = make_socket_pair();
    process.socket = std::move(ours);
    keep.push_back(above_stderr(std::move(theirs)));
    boot.inherited_socket = keep.back().get();
    actions.dup(boot.inherited_socket, boot.inherited_socket);
  }
  auto [boot_read, boot_write] = make_pipe();
  auto const inherited_boot = above_stderr(std::move(boot_read));
  actions.dup(inherited_boot.get(), inherited_boot.get());
  auto const record = to_bytes(boot);
  check(::write(boot_write.get(), record.data(), record.size()), "write(boot record)");
  boot_write.reset();

  // The link stays good when the file was deleted or replaced on disk. A wrapping command has
  // another /proc/self/exe, so it is given ours by number.
  bool const wrapped = !options.wrap.empty();
  std::string const program = !options.executable.empty() ? absolute(options.executable).string()
                              : wrapped ? "/proc/" + std::to_string(::getpid()) + "/exe"
                                        : "/proc/self/exe";
  auto arguments = options.wrap;
  arguments.push_back(
      options.executable.empty() && !wrapped ? std::string(::program_invocation_name) : program);
  arguments.insert(arguments.end(), extra_arguments.begin(), extra_arguments.end());
  arguments.push_back("--cohort-worker=" + boot.id.to_string());
  auto const& path = wrapped ? options.wrap.front() : program;
  auto variables = child_environment(inherited_boot.get(), options);
  auto const argv = pointers_to(arguments);
  auto const envp = pointers_to(variables);
  Attributes const attributes;
  auto* const start = wrapped ? &::posix_spawnp : &::posix_spawn;  // a command is looked for
  int const error =
      start(&process.pid, path.c_str(), actions.get(), attributes.get(), argv.data(), envp.data());
  if (error != 0) {
    throw std::runtime_error("cannot start " + path + ": " + std::strerror(error));
  }
  if (wrapped) process.group = process.pid;  // see Attributes
  process.pidfd = open_pidfd(process.pid, path);
  return process;
}

}  // namespace cohort
