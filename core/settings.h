// The limits and clocks of a connection. Both sides of one connection use the same values.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <type_traits>

#include "core/named_value.h"

namespace cohort {

/// Each field has an environment variable that wins over what the program says, named in the
/// comment. A worker inherits the settings of the master that spawned it. The times, in ms, may be
/// from 1 to a day.
struct Settings {
  /// COHORT_MAX_MESSAGE_SIZE, in bytes, from 1024: larger messages (the arguments of a call, a
  /// result, an element of a stream) are refused at the sender.
  std::uint64_t max_message_size = std::uint64_t{16} << 30;
  /// COHORT_STREAM_WINDOW, in bytes, from 1 to 2^40: how far a stream's writer may be ahead of its
  /// reader.
  std::uint64_t stream_window = std::uint64_t{1} << 20;
  /// COHORT_HEARTBEAT_INTERVAL, in ms: how often each side shows that it lives; a third of
  /// heartbeat_timeout where that is less.
  std::chrono::milliseconds heartbeat_interval{5'000};
  /// COHORT_HEARTBEAT_TIMEOUT, in ms: silence for this long means that the peer hangs; likewise
  /// where it takes nothing of what waits to be sent to it.
  std::chrono::milliseconds heartbeat_timeout{30'000};
  /// COHORT_HANDSHAKE_TIMEOUT, in ms: from connecting to both sides' proof.
  std::chrono::milliseconds handshake_timeout{10'000};
  /// COHORT_SHUTDOWN_TIMEOUT, in ms: how long a worker may take to end before it is killed.
  std::chrono::milliseconds shutdown_timeout{5'000};
  /// COHORT_SPIN, in µs, up to a second: how long a waiting thread yields before it blocks; 0
  /// blocks at once.
  std::chrono::microseconds spin{20};

  /// COHORT_EXPLAIN_AFTER, in ms, from 0 to a day: where a thread has waited for so long without
  /// any progress, the log says once what waits for what: a warning where that cannot end by itself
  /// as far as can be seen, else of level info; 0: it never does.
  std::chrono::milliseconds explain_after{10'000};

  /// The settings with the environment's values in place. Throws std::invalid_argument that names
  /// the variable, or the field, and what it holds where that is not a number in range.
  [[nodiscard]] static Settings from_environment(Settings base);
  /// The same of the defaults.
  [[nodiscard]] static Settings from_environment() { return from_environment(Settings{}); }

  /// @cond
  bool operator==(Settings const&) const = default;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& make_nvp("max_message_size", max_message_size) &
        make_nvp("stream_window", stream_window);
    auto const take = [&archive](char const* name, auto& duration) {
      std::int64_t count = duration.count();
      archive& make_nvp(name, count);
      if constexpr (Archive::is_loading::value) {
        duration = std::remove_reference_t<decltype(duration)>(count);
      }
    };
    take("heartbeat_interval", heartbeat_interval);
    take("heartbeat_timeout", heartbeat_timeout);
    take("handshake_timeout", handshake_timeout);
    take("shutdown_timeout", shutdown_timeout);
    take("spin", spin);
    take("explain_after", explain_after);
  }
  /// @endcond
};

}  // namespace cohort
