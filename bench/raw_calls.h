// Calls over a bare socket: what they cost without cohort.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace bench {

/// What a frame of cohort takes for one int64: 24 bytes of header, 8 of body.
struct RawMessage {
  std::array<std::byte, 24> header{};
  std::int64_t value = 0;
};
static_assert(sizeof(RawMessage) == 32);

/// Of messages that are read at once.
inline constexpr std::size_t kBlock = 256 << 10;

/// For a RawPeer: reads blocks and answers each with one send, every value one larger.
void serve_calls(int socket);
/// One call to such a peer.
void call_raw(int socket, std::int64_t x);

/// L12: registers calls each after a pause, in which everything in both processes goes to sleep, to
/// such a peer and by `call_cohort`.
void register_after_a_pause(std::string const& where, int socket,
                            std::function<void(std::int64_t x)> const& call_cohort);

}  // namespace bench
