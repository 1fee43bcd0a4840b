// Bare sockets and forked peers: what a call or an echo costs without cohort.
// Peers are forked, so start them before the process has threads (before any Cluster).
#pragma once

#include <cstddef>

#include <sys/types.h>

namespace bench {

enum class SocketKind { kUnix, kTcp };

/// A child process at the other end of a connected socket, tuned as cohort tunes its own.
class RawPeer {
 public:
  /// The child runs `serve` on its end, then exits. It dies with this process.
  RawPeer(SocketKind kind, void (*serve)(int socket));
  RawPeer(RawPeer const&) = delete;
  RawPeer& operator=(RawPeer const&) = delete;
  ~RawPeer();

  [[nodiscard]] int socket() const noexcept { return socket_; }

 private:
  int socket_ = -1;
  pid_t pid_ = -1;
};

/// Some bytes, at least one: tries and yields for 20 µs, then blocks. 0 at the end of the stream.
[[nodiscard]] std::size_t receive_some(int socket, void* data, std::size_t size);
/// False at the end of the stream.
[[nodiscard]] bool receive_all(int socket, void* data, std::size_t size);
void send_all(int socket, void const* data, std::size_t size);

}  // namespace bench
