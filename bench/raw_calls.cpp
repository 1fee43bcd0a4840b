#include "bench/raw_calls.h"

#include <cstring>
#include <vector>

#include "bench/measure.h"
#include "bench/raw_peer.h"

namespace bench {

void serve_calls(int socket) {
  std::vector<RawMessage> block(kBlock / sizeof(RawMessage));
  auto* const bytes = reinterpret_cast<char*>(block.data());
  std::size_t filled = 0;
  for (;;) {
    auto const count = receive_some(socket, bytes + filled, kBlock - filled);
    if (count == 0) return;
    filled += count;
    auto const whole = filled / sizeof(RawMessage);
    for (std::size_t i = 0; i < whole; ++i) ++block[i].value;
    send_all(socket, bytes, whole * sizeof(RawMessage));
    auto const done = whole * sizeof(RawMessage);
    std::memmove(bytes, bytes + done, filled - done);
    filled -= done;
  }
}

void call_raw(int socket, std::int64_t x) {
  RawMessage message{.header = {}, .value = x};
  send_all(socket, &message, sizeof message);
  demand(receive_all(socket, &message, sizeof message) && message.value == x + 1);
}

}  // namespace bench
