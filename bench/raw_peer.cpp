#include "bench/raw_peer.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/measure.h"

namespace bench {
namespace {

constexpr std::chrono::microseconds kSpin{20};
constexpr int kUnixBuffer = 4 << 20;

std::pair<int, int> connect_unix() {
  int ends[2];
  must(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), "socketpair");
  for (int end : ends) {
    ::setsockopt(end, SOL_SOCKET, SO_SNDBUF, &kUnixBuffer, sizeof kUnixBuffer);
    ::setsockopt(end, SOL_SOCKET, SO_RCVBUF, &kUnixBuffer, sizeof kUnixBuffer);
  }
  return {ends[0], ends[1]};
}

std::pair<int, int> connect_to() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  int const listener = must(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  must(::bind(listener, generic, length), "bind");
  must(::listen(listener, 1), "listen");
  must(::getsockname(listener, generic, &length), "getsockname");
  int const ours = must(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  must(::connect(ours, generic, length), "connect");
  int const theirs = must(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC), "accept4");
  ::close(listener);
  int const on = 1;
  for (int end : {ours, theirs}) {
    must(::setsockopt(end, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "setsockopt(TCP_NODELAY)");
    ::setsockopt(end, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);  // best effort, as in cohort
  }
  return {ours, theirs};
}

}  // namespace

RawPeer::RawPeer(SocketKind kind, void (*serve)(int socket)) {
  auto const [ours, theirs] = kind == SocketKind::kUnix ? connect_unix() : connect_to();
  pid_ = must(::fork(), "fork");
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::close(ours);
    serve(theirs);
    ::_exit(EXIT_SUCCESS);
  }
  ::close(theirs);
  socket_ = ours;
}

RawPeer::~RawPeer() {
  ::close(socket_);
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::size_t receive_some(int socket, void* data, std::size_t size) {
  auto const start = std::chrono::steady_clock::now();
  for (;;) {
    auto const count = ::recv(socket, data, size, MSG_DONTWAIT);
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EAGAIN) must(-1, "recv");
    if (std::chrono::steady_clock::now() - start < kSpin) {
      ::sched_yield();
    } else {
      pollfd readable{socket, POLLIN, 0};
      must(::poll(&readable, 1, -1), "poll");
    }
  }
}

bool receive_all(int socket, void* data, std::size_t size) {
  auto* into = static_cast<char*>(data);
  while (size > 0) {
    auto const count = receive_some(socket, into, size);
    if (count == 0) return false;
    into += count;
    size -= count;
  }
  return true;
}

void send_all(int socket, void const* data, std::size_t size) {
  auto const* from = static_cast<char const*>(data);
  while (size > 0) {
    auto const count = ::send(socket, from, size, MSG_NOSIGNAL);
    if (count < 0) must(-1, "send");
    from += count;
    size -= static_cast<std::size_t>(count);
  }
}

}  // namespace bench
