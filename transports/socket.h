// The socket calls that cohort needs, each checked by name. Addresses are numeric or host names.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "core/clock.h"
#include "core/fork.h"
#include "core/named_value.h"

namespace cohort {

/// Owns a descriptor, which a forked child does not have, unless it is shared with forks.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int descriptor) noexcept : descriptor_(descriptor) {
    keep_from_forks(descriptor);
  }
  UniqueFd(UniqueFd&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    auto moved = std::move(other);
    std::swap(descriptor_, moved.descriptor_);
    return *this;
  }
  ~UniqueFd() { close(); }

  [[nodiscard]] int get() const noexcept { return descriptor_; }
  [[nodiscard]] explicit operator bool() const noexcept { return descriptor_ >= 0; }
  [[nodiscard]] int release() noexcept {
    share();
    return std::exchange(descriptor_, -1);
  }
  void reset() noexcept { UniqueFd const gone(std::move(*this)); }
  /// Forked children have it, too, from now on.
  void share() noexcept { share_with_forks(descriptor_); }

 private:
  void close() noexcept;

  int descriptor_ = -1;
};

/// Two connected Unix stream sockets, close-on-exec.
[[nodiscard]] std::pair<UniqueFd, UniqueFd> make_socket_pair();

struct Endpoint {
  std::string host{};  ///< an IPv4 or IPv6 address; "@name": a Unix socket of this machine
  std::uint16_t port = 0;

  [[nodiscard]] bool is_unix() const noexcept { return host.starts_with('@'); }
  [[nodiscard]] std::string to_string() const;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& make_nvp("host", host) & make_nvp("port", port);
  }
};

/// A listening TCP socket on that address, close-on-exec and non-blocking; port 0 lets the system
/// choose. The second value is the address that it really has.
[[nodiscard]] std::pair<UniqueFd, Endpoint> listen_tcp(Endpoint const& at, int backlog);
/// A listening Unix socket in the abstract namespace, which leaves nothing in the file system. The
/// system chooses its name, where none ("@name") is given.
[[nodiscard]] std::pair<UniqueFd, Endpoint> listen_unix(int backlog, std::string const& name = {});
/// The next waiting connection, or nothing. Close-on-exec. Throws std::system_error where one waits
/// and cannot be taken, as when no descriptor is left (EMFILE).
[[nodiscard]] std::optional<UniqueFd> accept_connection(int listener);
/// To either kind; a host name's addresses are tried in turn. Throws std::system_error that names
/// the step, also when the deadline passes (ETIMEDOUT).
[[nodiscard]] UniqueFd connect_to(Endpoint const& to, Deadline deadline);

/// Whether the other side has hung up, and nothing is left to read.
[[nodiscard]] bool has_hung_up(int socket) noexcept;
void set_nonblocking(int descriptor, bool nonblocking);
/// No delay for small messages; big enough buffers; on loopback a congestion control that does not
/// pace. Best effort: a socket works without.
void tune_stream_socket(int socket) noexcept;

/// Blocking send and receive of exactly `size` bytes on a socket of either mode. False at the end
/// of the stream. Throws std::system_error on failure and when the deadline passes.
bool send_exactly(int socket, void const* data, std::size_t size, Deadline deadline);
bool receive_exactly(int socket, void* data, std::size_t size, Deadline deadline);

}  // namespace cohort
