#include "transports/socket.h"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <system_error>
#include <thread>

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/error.h"

namespace cohort {
namespace {

/// Big messages go through in fewer, longer system calls; a Unix socket's default is 208 KiB.
constexpr int kUnixBuffer = 4 << 20;
constexpr std::chrono::milliseconds kRetry{5};

struct FreeAddresses {
  void operator()(addrinfo* list) const noexcept { ::freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

Addresses resolve(Endpoint const& endpoint, int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  auto const port = std::to_string(endpoint.port);
  int const error = ::getaddrinfo(endpoint.host.c_str(), port.c_str(), &hints, &found);
  if (error != 0) {
    throw std::runtime_error("cannot resolve " + endpoint.host + ": " + ::gai_strerror(error));
  }
  return Addresses(found);
}

Endpoint local_endpoint(int socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  check(::getsockname(socket, generic, &length), "getsockname");
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  int const error = ::getnameinfo(generic, length, host, sizeof host, port, sizeof port,
                                  NI_NUMERICHOST | NI_NUMERICSERV);
  if (error != 0) throw std::runtime_error(std::string("getnameinfo: ") + ::gai_strerror(error));
  return {host, static_cast<std::uint16_t>(std::stoi(port))};
}

void wait_for(int descriptor, short events, Deadline deadline, char const* call) {
  for (;;) {
    pollfd wanted{descriptor, events, 0};
    int const ready = ::poll(&wanted, 1, deadline.poll_timeout());
    if (ready > 0) return;
    if (ready < 0 && errno != EINTR) throw_errno("poll");
    if (deadline.passed()) throw_errno(call, ETIMEDOUT);
  }
}

/// A Unix socket's listener whose queue is full says EAGAIN at once: it is asked again.
UniqueFd connect_to_address(sockaddr const* address, socklen_t length, Deadline deadline) {
  UniqueFd socket(
      check(::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket"));
  while (::connect(socket.get(), address, length) < 0) {
    if (errno == EAGAIN) {
      if (deadline.passed()) throw_errno("connect", ETIMEDOUT);
      std::this_thread::sleep_for(kRetry);
      continue;
    }
    if (errno != EINPROGRESS) throw_errno("connect");
    wait_for(socket.get(), POLLOUT, deadline, "connect");
    int error = 0;
    socklen_t size = sizeof error;
    check(::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size), "getsockopt(SO_ERROR)");
    if (error != 0) throw_errno("connect", error);
    break;
  }
  return socket;
}

/// An abstract name begins with a zero byte where Endpoint has the '@'.
std::pair<sockaddr_un, socklen_t> unix_address(std::string const& host) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (host.size() > sizeof address.sun_path) throw_errno("connect", ENAMETOOLONG);
  std::memcpy(address.sun_path + 1, host.data() + 1, host.size() - 1);
  return {address, static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + host.size())};
}

}  // namespace

void UniqueFd::close() noexcept {
  if (descriptor_ < 0) return;
  share();
  ::close(descriptor_);
}

std::pair<UniqueFd, UniqueFd> make_socket_pair() {
  int sockets[2];
  check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), "socketpair");
  return {UniqueFd(sockets[0]), UniqueFd(sockets[1])};
}

std::pair<UniqueFd, Endpoint> listen_tcp(Endpoint const& at, int backlog) {
  auto const addresses = resolve(at, AI_PASSIVE);
  UniqueFd socket(check(
      ::socket(addresses->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket"));
  int const on = 1;
  check(::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on),
        "setsockopt(SO_REUSEADDR)");
  check(::bind(socket.get(), addresses->ai_addr, addresses->ai_addrlen), "bind");
  check(::listen(socket.get(), backlog), "listen");
  auto endpoint = local_endpoint(socket.get());
  return {std::move(socket), std::move(endpoint)};
}

std::optional<UniqueFd> accept_connection(int listener) {
  for (;;) {
    int const socket = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket >= 0) return UniqueFd(socket);
    if (errno == EAGAIN || errno == EWOULDBLOCK) return std::nullopt;
    // The peer gave up while it waited, or a signal came: look at the next one.
    if (errno != ECONNABORTED && errno != EINTR) throw_errno("accept4");
  }
}

std::string Endpoint::to_string() const {
  return is_unix() ? host : host + ':' + std::to_string(port);
}

std::pair<UniqueFd, Endpoint> listen_unix(int backlog, std::string const& wanted) {
  UniqueFd socket(
      check(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket"));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socklen_t length = sizeof address.sun_family;  // autobind: unix(7)
  if (!wanted.empty()) std::tie(address, length) = unix_address(wanted);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  check(::bind(socket.get(), generic, length), "bind");
  check(::listen(socket.get(), backlog), "listen");
  length = sizeof address;
  check(::getsockname(socket.get(), generic, &length), "getsockname");
  std::string name(address.sun_path, length - offsetof(sockaddr_un, sun_path));
  name.front() = '@';
  return {std::move(socket), Endpoint{std::move(name), 0}};
}

UniqueFd connect_to(Endpoint const& to, Deadline deadline) {
  if (to.is_unix()) {
    auto const [address, length] = unix_address(to.host);
    return connect_to_address(reinterpret_cast<sockaddr const*>(&address), length, deadline);
  }
  auto const addresses = resolve(to, 0);
  for (auto const* address = addresses.get();; address = address->ai_next) {
    try {
      return connect_to_address(address->ai_addr, address->ai_addrlen, deadline);
    } catch (std::system_error const&) {
      if (address->ai_next == nullptr || deadline.passed()) throw;
    }
  }
}

bool has_hung_up(int socket) noexcept {
  char byte = 0;
  return ::recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

void set_nonblocking(int descriptor, bool nonblocking) {
  int const flags = check(::fcntl(descriptor, F_GETFL), "fcntl(F_GETFL)");
  int const wanted = nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
  if (wanted != flags) check(::fcntl(descriptor, F_SETFL, wanted), "fcntl(F_SETFL)");
}

void tune_stream_socket(int socket) noexcept {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&address), &length) < 0) return;
  if (address.ss_family == AF_UNIX) {
    ::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &kUnixBuffer, sizeof kUnixBuffer);
    ::setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &kUnixBuffer, sizeof kUnixBuffer);
    return;
  }
  int const on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  auto const* ipv4 = reinterpret_cast<sockaddr_in const*>(&address);
  bool const loopback = address.ss_family == AF_INET && (ntohl(ipv4->sin_addr.s_addr) >> 24) == 127;
  // A pacing congestion control such as bbr halves the throughput of loopback.
  if (loopback) ::setsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
}

bool send_exactly(int socket, void const* data, std::size_t size, Deadline deadline) {
  auto const* from = static_cast<char const*>(data);
  while (size > 0) {
    auto const count = ::send(socket, from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0) {
      from += count;
      size -= static_cast<std::size_t>(count);
    } else if (errno == EAGAIN) {
      wait_for(socket, POLLOUT, deadline, "send");
    } else if (errno == EPIPE || errno == ECONNRESET) {
      return false;
    } else if (errno != EINTR) {
      throw_errno("send");
    }
  }
  return true;
}

bool receive_exactly(int socket, void* data, std::size_t size, Deadline deadline) {
  auto* into = static_cast<char*>(data);
  while (size > 0) {
    auto const count = ::recv(socket, into, size, MSG_DONTWAIT);
    if (count > 0) {
      into += count;
      size -= static_cast<std::size_t>(count);
    } else if (count == 0 || errno == ECONNRESET) {
      return false;
    } else if (errno == EAGAIN) {
      wait_for(socket, POLLIN, deadline, "recv");
    } else if (errno != EINTR) {
      throw_errno("recv");
    }
  }
  return true;
}

}  // namespace cohort
