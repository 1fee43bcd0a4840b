#include "launch/log.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <utility>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace cohort {
namespace {

constexpr std::array<std::string_view, 5> kLevels{"debug", "info", "warning", "error", "off"};

spdlog::logger make_logger() {
  spdlog::logger logger("cohort", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger.set_pattern("[%n] %l: %v");
  char const* level = std::getenv("COHORT_LOG");
  logger.set_level(level != nullptr ? spdlog::level::from_str(level) : spdlog::level::warn);
  return logger;
}

spdlog::logger& logger() {
  static spdlog::logger only = make_logger();
  return only;
}

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

/// The processes, this one included, that listen to this process's log.
class Subscribers {
 public:
  static Subscribers& all() {
    static auto* const only = new Subscribers;  // logs may come from the last destructors
    return *only;
  }

  void add(LogLevel level, std::uint32_t per_second, Writer<LogRecord> out, Provenance here) {
    std::lock_guard const lock(mutex_);
    std::erase_if(each_, [](auto const& subscriber) { return subscriber->has_left(); });
    each_.push_back(std::make_unique<Subscriber>(
        Subscriber{level, per_second, std::move(out), std::move(here)}));
    count_.store(each_.size(), std::memory_order_relaxed);
  }

  void tell(LogLevel level, std::string_view line) {
    if (count_.load(std::memory_order_relaxed) == 0 || birthplace_.is_elsewhere()) return;
    std::lock_guard const lock(mutex_);
    auto const now = std::chrono::system_clock::now();
    std::erase_if(each_, [&](auto const& subscriber) {
      if (level >= subscriber->level) subscriber->tell(level, line, now);
      return subscriber->has_left();
    });
    count_.store(each_.size(), std::memory_order_relaxed);
  }

 private:
  struct Subscriber {
    LogLevel level;
    std::uint32_t per_second;
    Writer<LogRecord> out;
    Provenance here;
    std::chrono::system_clock::time_point second{};
    std::uint32_t in_this_second = 0;
    std::uint32_t lost = 0;

    [[nodiscard]] bool has_left() const { return out.reason() != CloseReason::kOpen; }
    void tell(LogLevel of, std::string_view line, std::chrono::system_clock::time_point now) {
      if (now - second >= std::chrono::seconds(1)) {
        second = now;
        in_this_second = 0;
      }
      LogRecord const record{now,      of,  std::string(line), here.worker.to_string(), here.host,
                             here.pid, lost};
      if (in_this_second < per_second && write(record)) {
        ++in_this_second;
        lost = 0;
      } else {
        ++lost;
      }
    }
    /// One that is too large for this subscriber is lost for it, and not for the others.
    bool write(LogRecord const& record) {
      try {
        return out.try_write(record);
      } catch (std::exception const&) {
        return false;
      }
    }
  };

  Birthplace const birthplace_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Subscriber>> each_;
  std::atomic<std::size_t> count_{0};
};

}  // namespace

std::string_view to_string(LogLevel level) noexcept {
  return kLevels[std::min<std::size_t>(static_cast<std::size_t>(level), 3)];
}

bool is_shown(LogLevel level) noexcept {
  try {
    return logger().should_log(to_spdlog(level));
  } catch (...) {
    return false;
  }
}

void log(LogLevel level, std::string_view line) noexcept {
  try {
    logger().log(to_spdlog(level), "{}", line);
    Subscribers::all().tell(level, line);
  } catch (...) {
    // A log that cannot be written must not end the program that it reports on.
  }
}

void LogQueue::post(LogLevel level, std::string line) {
  post(level, [line = std::move(line)] { return line; });
}

void LogQueue::post(LogLevel level, std::function<std::string()> line) {
  if (waiting_.fetch_add(1) >= kLinesAtMost) {
    waiting_.fetch_sub(1);
    dropped_.fetch_add(1);
    return;
  }
  try {
    thread_.post([this, level, line = std::move(line)] {
      log(level, line());
      waiting_.fetch_sub(1);
      if (auto const dropped = dropped_.exchange(0); dropped != 0) {
        log(LogLevel::kError, std::to_string(dropped) + " lines were dropped: stderr is too slow");
      }
    });
  } catch (std::exception const&) {  // no thread or memory for it
    waiting_.fetch_sub(1);
    dropped_.fetch_add(1);
  }
}

void add_log_subscriber(LogLevel level, std::uint32_t per_second, Writer<LogRecord> out,
                        Provenance here) {
  Subscribers::all().add(level, per_second, std::move(out), std::move(here));
}

void check_log_level() {
  char const* level = std::getenv("COHORT_LOG");
  if (level == nullptr || std::find(kLevels.begin(), kLevels.end(), level) != kLevels.end()) return;
  throw std::invalid_argument(std::string("COHORT_LOG=\"") + level +
                              "\": expected debug, info, warning, error or off");
}

}  // namespace cohort
