// A peer that a listener did not ask for, played byte by byte. Its waits are bounded; what goes
// wrong with them is a failure of the test.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/frame.h"
#include "launch/handshake.h"
#include "transports/socket.h"

namespace cohort::test {

/// The bytes of a hello as this build writes them, by somebody who does not know the secret.
[[nodiscard]] std::string hello_bytes();

/// A frame's header, or the whole of one without a body.
[[nodiscard]] std::string bytes_of(FrameHeader const& header);

/// How many connections the line of a log is about, one or those that were left out; 0 for another.
[[nodiscard]] int connections_refused_in(std::string_view line);

class Stranger {
 public:
  explicit Stranger(Endpoint const& endpoint);

  /// Sends as much as the other side takes before it hangs up.
  void send(std::string_view bytes) const;
  /// The whole handshake. Throws what handshake_with_master does.
  void shake_hands(Secret const& secret, std::string_view description) const;
  /// Waits until the other side hung up; its bytes until then.
  [[nodiscard]] std::string read_to_end() const;
  void hang_up() { socket_.reset(); }
  /// Its own, of a TCP connection.
  [[nodiscard]] std::uint16_t port() const;

 private:
  UniqueFd socket_;
};

}  // namespace cohort::test
