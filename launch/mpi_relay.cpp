// PMIx 4.2.2's server releases what it knows of a rank once too often where a client hangs up
// before it has read the answer to its connection (ptl_base_connection_hdlr.c, `error:`). mpirun
// and orted then hang or crash with the next process that ends, and with them every later spawn. A
// relay answers for the client: it reads what the server still has to say, and hangs up after that.
#include "launch/mpi_relay.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <exception>
#include <string_view>
#include <thread>
#include <utility>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/error.h"
#include "transports/peer.h"
#include "transports/socket.h"

namespace cohort {
namespace {

constexpr std::string_view kServerVariable = "PMIX_SERVER_URI";  // and more, for each version
constexpr std::string_view kScheme = ";tcp4://";
constexpr int kBacklog = 16;
constexpr std::chrono::seconds kConnectAtMost{10};
constexpr std::chrono::seconds kFinishAtMost{3};
constexpr std::chrono::milliseconds kPause{20};
constexpr int kRelaysAtMost = 16;  // a worker has one, and each program of MPI's that it starts
constexpr std::chrono::milliseconds kLookAgain{1};

struct ServerUri {
  std::size_t address = 0;  ///< where that begins in the variable
  Endpoint server;
};

/// Of "PMIX_SERVER_URI41=NAMESPACE.RANK;tcp4://ADDRESS:PORT".
std::optional<ServerUri> parse(std::string const& variable) {
  if (!variable.starts_with(kServerVariable)) return std::nullopt;
  auto const scheme = variable.find(kScheme);
  auto const colon = variable.rfind(':');
  if (scheme == variable.npos || colon < scheme + kScheme.size()) return std::nullopt;
  auto const address = scheme + kScheme.size();
  auto const port = std::strtoul(variable.c_str() + colon + 1, nullptr, 10);
  if (port == 0 || port > 0xffff) return std::nullopt;
  return ServerUri{address,
                   {variable.substr(address, colon - address), static_cast<std::uint16_t>(port)}};
}

/// Passes on what has come. False once nothing more comes from there.
bool pass_on(int from, int to) noexcept {
  std::array<char, 16 << 10> bytes;
  auto const count = ::recv(from, bytes.data(), bytes.size(), 0);
  if (count < 0 && errno == EINTR) return true;
  if (count <= 0) {
    ::shutdown(to, SHUT_WR);
    return false;
  }
  for (ssize_t sent = 0; sent < count;) {
    auto const written =
        ::send(to, bytes.data() + sent, static_cast<std::size_t>(count - sent), MSG_NOSIGNAL);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) break;  // who takes nothing any more is still answered for
    sent += written;
  }
  return true;
}

std::atomic<int> g_relays{0};

/// Until both have hung up.
void relay(UniqueFd client, UniqueFd server) noexcept {
  std::array<pollfd, 2> ends{pollfd{client.get(), POLLIN, 0}, pollfd{server.get(), POLLIN, 0}};
  while (ends[0].fd >= 0 || ends[1].fd >= 0) {
    if (::poll(ends.data(), ends.size(), -1) < 0) continue;
    if (ends[0].revents != 0 && !pass_on(client.get(), server.get())) ends[0].fd = -1;
    if (ends[1].revents != 0 && !pass_on(server.get(), client.get())) ends[1].fd = -1;
  }
  --g_relays;
}

void serve(UniqueFd listener, Endpoint const& server) noexcept {
  for (pollfd coming{listener.get(), POLLIN, 0};;) {
    ::poll(&coming, 1, -1);
    try {
      auto client = accept_connection(listener.get());
      if (!client) continue;
      if (identify_peer(client->get()).uid != ::geteuid() || g_relays.load() >= kRelaysAtMost) {
        continue;  // hung up on
      }
      auto upstream = connect_to(server, Deadline::after(kConnectAtMost));
      set_nonblocking(client->get(), false);
      set_nonblocking(upstream.get(), false);
      ++g_relays;
      try {
        std::thread(&relay, std::move(*client), std::move(upstream)).detach();
      } catch (...) {
        --g_relays;
        throw;
      }
    } catch (std::exception const&) {
      // The client hears a hang-up, as it would from the server. No descriptor may be left.
      std::this_thread::sleep_for(kPause);
    }
  }
}

}  // namespace

void relay_runtime(std::vector<std::string>& environment) noexcept try {
  Endpoint server;
  Endpoint here;
  for (auto& variable : environment) {
    auto const uri = parse(variable);
    if (!uri) continue;
    if (here.port == 0) {
      server = uri->server;
      auto [listener, endpoint] = listen_tcp({"127.0.0.1", 0}, kBacklog);
      std::thread(&serve, std::move(listener), server).detach();
      here = endpoint;
    }
    if (uri->server.to_string() != server.to_string()) continue;
    variable.replace(uri->address, variable.npos, here.to_string());
  }
} catch (std::exception const&) {
  // Without a thread or a descriptor the worker goes to the server itself.
}

void finish_relays() noexcept {
  auto const deadline = Deadline::after(kFinishAtMost);
  while (g_relays.load() != 0 && !deadline.passed()) std::this_thread::sleep_for(kLookAgain);
}

}  // namespace cohort
