#include "core/settings.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <stdexcept>

namespace cohort {
namespace {

std::int64_t count_of(std::uint64_t value) { return static_cast<std::int64_t>(value); }
std::int64_t count_of(std::chrono::milliseconds value) { return value.count(); }
std::int64_t count_of(std::chrono::microseconds value) { return value.count(); }

/// Replaces `value` by the variable's, when it is set. Rejects what is not a number in [low, high],
/// also where the program says it.
template <class Value>
void settle(char const* variable, char const* field, Value& value, std::int64_t low,
            std::int64_t high) {
  auto const refuse = [&](std::string const& said) {
    throw std::invalid_argument(said + ": expected a whole number from " + std::to_string(low) +
                                " to " + std::to_string(high));
  };
  if (char const* text = std::getenv(variable); text != nullptr) {
    std::int64_t number = 0;
    char const* end = text + std::strlen(text);
    auto const [stop, error] = std::from_chars(text, end, number);
    if (error != std::errc{} || stop != end || number < low || number > high) {
      refuse(std::string(variable) + "=\"" + text + '"');
    }
    value = Value(number);
  } else if (auto const number = count_of(value); number < low || number > high) {
    refuse("Settings::" + std::string(field) + " = " + std::to_string(number));
  }
}

}  // namespace

Settings Settings::from_environment(Settings base) {
  constexpr std::int64_t kDay = 24 * 3'600'000;
  constexpr std::int64_t kLargest = std::numeric_limits<std::int64_t>::max();
  settle("COHORT_MAX_MESSAGE_SIZE", "max_message_size", base.max_message_size, 1024, kLargest);
  settle("COHORT_STREAM_WINDOW", "stream_window", base.stream_window, 1, std::int64_t{1} << 40);
  settle("COHORT_HEARTBEAT_INTERVAL", "heartbeat_interval", base.heartbeat_interval, 1, kDay);
  settle("COHORT_HEARTBEAT_TIMEOUT", "heartbeat_timeout", base.heartbeat_timeout, 1, kDay);
  settle("COHORT_HANDSHAKE_TIMEOUT", "handshake_timeout", base.handshake_timeout, 1, kDay);
  settle("COHORT_SHUTDOWN_TIMEOUT", "shutdown_timeout", base.shutdown_timeout, 1, kDay);
  settle("COHORT_SPIN", "spin", base.spin, 0, 1'000'000);
  settle("COHORT_EXPLAIN_AFTER", "explain_after", base.explain_after, 0, kDay);
  // One late heartbeat is no hang.
  constexpr std::chrono::milliseconds kShortest{1};
  base.heartbeat_interval =
      std::max(kShortest, std::min(base.heartbeat_interval, base.heartbeat_timeout / 3));
  return base;
}

}  // namespace cohort
