#include "bench/raw_child_process.h"

#include <cerrno>
#include <utility>

#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/measure.h"

extern char** environ;

namespace bench {
namespace {

void must_spawn(int error, char const* call) {
  errno = error;
  must(error == 0 ? 0 : -1, call);
}

}  // namespace

RawChildProcess::RawChildProcess(std::string const& program) {
  int ends[2];
  must(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), "socketpair");
  socket_ = ends[0];
  auto number = std::to_string(ends[1]);
  auto path = program;
  char* const arguments[] = {path.data(), number.data(), nullptr};
  posix_spawn_file_actions_t actions;
  must_spawn(::posix_spawn_file_actions_init(&actions), "posix_spawn_file_actions_init");
  must_spawn(::posix_spawn_file_actions_adddup2(&actions, ends[1], ends[1]),
             "posix_spawn_file_actions_adddup2");
  must_spawn(::posix_spawn(&pid_, path.c_str(), &actions, nullptr, arguments, environ),
             "posix_spawn");
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  must(static_cast<int>(::send(socket_, "x", 1, MSG_NOSIGNAL)), "send");
}

RawChildProcess::RawChildProcess(RawChildProcess&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)), pid_(std::exchange(other.pid_, -1)) {}

RawChildProcess::~RawChildProcess() {
  if (pid_ < 0) return;
  ::close(socket_);
  ::waitpid(pid_, nullptr, 0);
}

void RawChildProcess::await_answer() {
  char byte = 0;
  must(::recv(socket_, &byte, 1, 0) == 1 ? 0 : -1, "recv from raw_child");
}

}  // namespace bench
