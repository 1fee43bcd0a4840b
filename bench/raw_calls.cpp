#include "bench/raw_calls.h"

#include <chrono>
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

void register_after_a_pause(std::string const& where, int socket,
                            std::function<void(std::int64_t x)> const& call_cohort) {
  static constexpr CallPlan kPlan{.warm_up = 10, .pause = std::chrono::milliseconds(50)};
  register_in_turn(
      "L12/after_a_pause/" + where, {.repetitions = 5, .iterations = 15},
      [socket](benchmark::State& state) {
        time_calls(state, kPlan, [&](std::int64_t x) { call_raw(socket, x); });
      },
      [call_cohort](benchmark::State& state) { time_calls(state, kPlan, call_cohort); });
}

}  // namespace bench
