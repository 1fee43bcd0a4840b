// Timers on one timerfd. Their functions run like a Source's handlers: under the I/O lock, quick.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <utility>

#include "core/clock.h"
#include "core/source.h"

namespace cohort {

enum class TimerId : std::uint64_t {};

class TimerQueue : public Source {
 public:
  TimerQueue();
  ~TimerQueue() override;

  /// Any thread. The function runs once, at or soon after `when`.
  TimerId schedule(Clock::time_point when, std::function<void()> function);
  /// Any thread. Unless it is called under the I/O lock, the function may be running just now.
  void cancel(TimerId id) noexcept;

  [[nodiscard]] int descriptor() const noexcept override { return descriptor_; }
  bool on_readable() noexcept override;

 private:
  using Key = std::pair<Clock::time_point, std::uint64_t>;

  [[nodiscard]] std::function<void()> take_due(Clock::time_point now);
  void arm() noexcept;  // mutex_ held

  int descriptor_;
  std::mutex mutex_;
  std::uint64_t last_id_ = 0;
  std::map<Key, std::function<void()>> timers_;
  std::map<std::uint64_t, Clock::time_point> when_;
  Clock::time_point armed_for_ = Clock::time_point::max();
};

}  // namespace cohort
