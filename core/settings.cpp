#include "core/settings.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <stdexcept>

namespace cohort {
namespace {

/// Replaces `value` by the variable's, when it is set. Rejects what is not a number in [low, high].
template <class Value>
void read(char const* variable, Value& value, std::uint64_t low, std::uint64_t high) {
  char const* text = std::getenv(variable);
  if (text == nullptr) return;
  std::uint64_t number = 0;
  char const* end = text + std::strlen(text);
  auto const [stop, error] = std::from_chars(text, end, number);
  if (error != std::errc{} || stop != end || number < low || number > high) {
    throw std::invalid_argument(std::string(variable) + "=\"" + text +
                                "\": expected a whole number from " + std::to_string(low) + " to " +
                                std::to_string(high));
  }
  value = Value(number);
}

}  // namespace

Settings Settings::from_environment(Settings base) {
  constexpr std::uint64_t kDay = 24 * 3'600'000;
  read("COHORT_MAX_MESSAGE_SIZE", base.max_message_size, 1024,
       static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));
  read("COHORT_STREAM_WINDOW", base.stream_window, 1, std::uint64_t{1} << 40);
  read("COHORT_HEARTBEAT_INTERVAL", base.heartbeat_interval, 1, kDay);
  read("COHORT_HEARTBEAT_TIMEOUT", base.heartbeat_timeout, 1, kDay);
  read("COHORT_HANDSHAKE_TIMEOUT", base.handshake_timeout, 1, kDay);
  read("COHORT_SHUTDOWN_TIMEOUT", base.shutdown_timeout, 1, kDay);
  read("COHORT_SPIN", base.spin, 0, 1'000'000);
  // One late heartbeat is no hang.
  constexpr std::chrono::milliseconds kShortest{1};
  base.heartbeat_interval =
      std::max(kShortest, std::min(base.heartbeat_interval, base.heartbeat_timeout / 3));
  return base;
}

}  // namespace cohort
