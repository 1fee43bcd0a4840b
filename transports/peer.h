// Who is at the other end of an accepted connection, as far as the kernel tells: for lines in the
// log, and so that one user or machine cannot take the places of all others.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <sys/types.h>

namespace cohort {

struct SocketPeer {
  std::string address{};       ///< of its machine; empty for a Unix socket
  std::uint16_t port = 0;      ///< likewise 0
  bool local = false;          ///< on this machine
  std::optional<uid_t> uid{};  ///< of a local peer, where the kernel tells
  pid_t pid = 0;               ///< of a Unix socket's peer
  std::uint64_t inode = 0;     ///< of a local TCP peer's socket, for its process
  [[nodiscard]] bool is_unix() const noexcept { return local && address.empty(); }
};

/// For TCP over this machine by two system calls more, however many sockets there are. What cannot
/// be known is left out. Throws std::bad_alloc alone.
[[nodiscard]] SocketPeer identify_peer(int socket);
/// "port 4711, pid 12, uid 1000". May look through /proc for the process, as long as that has its
/// end open: not under a lock. It is not found where it is another user's, save by root.
[[nodiscard]] std::string describe(SocketPeer const& peer);

}  // namespace cohort
