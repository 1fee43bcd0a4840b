// The log of a process: one line each on stderr, "[cohort] warning: ...", and records for whoever
// subscribed. COHORT_LOG sets the level of the lines (debug, info, warning, error, off; the default
// is warning); each subscriber has its own.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/serial_thread.h"
#include "core/stream.h"

namespace cohort {

/// How much a record matters; each level includes those after it.
enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError };
/// "debug", "info", "warning", "error".
[[nodiscard]] std::string_view to_string(LogLevel level) noexcept;

/// A log line as a subscriber gets it.
struct LogRecord {
  std::chrono::system_clock::time_point time{};  ///< by the clock of its machine
  LogLevel level{};                              ///< how much it matters
  std::string text{};                            ///< the line
  std::string worker{};                          ///< its id, "master" for the master
  std::string host{};                            ///< the name of its machine
  int pid = 0;                                   ///< of its process
  std::uint32_t lost = 0;  ///< records before this one that went over the cap, or found no room

  /// @cond
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& time& level& text& worker& host& pid& lost;
  }
  /// @endcond
};

/// Any thread; a function of a worker, too. Never throws. Blocks on stderr alone: a subscriber that
/// does not keep up loses records, and learns how many.
void log(LogLevel level, std::string_view line) noexcept;

/// @cond of cohort itself
/// The same on another thread, for who must not block at all. It holds so many lines at most: where
/// stderr takes none, the others are dropped, and a later line says how many. `thread` must have
/// run what it was given before this goes.
class LogQueue {
 public:
  static constexpr int kLinesAtMost = 4096;

  explicit LogQueue(SerialThread& thread) noexcept : thread_(thread) {}
  LogQueue(LogQueue const&) = delete;
  LogQueue& operator=(LogQueue const&) = delete;

  /// Any thread.
  void post(LogLevel level, std::string line);
  /// The same; the line is composed on the other thread.
  void post(LogLevel level, std::function<std::string()> line);

 private:
  SerialThread& thread_;
  std::atomic<int> waiting_{0};
  std::atomic<std::uint64_t> dropped_{0};
};

/// From now on `out` gets the records of this process from `level` up, at most so many a second,
/// counted from the first, until its reader goes. `here` says which process this is.
void add_log_subscriber(LogLevel level, std::uint32_t per_second, Writer<LogRecord> out,
                        Provenance here);

/// Whether lines of that level are written to stderr.
[[nodiscard]] bool is_shown(LogLevel level) noexcept;
/// Throws std::invalid_argument where COHORT_LOG holds no level.
void check_log_level();
/// @endcond

}  // namespace cohort
