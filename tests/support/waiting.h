// How tests wait: for an event, with a bound that a healthy run never comes near.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "core/clock.h"

namespace cohort::test {

/// Generous, since the machine may be busy and the build instrumented.
inline constexpr std::chrono::seconds kBound{30};

/// One-shot, between threads, without an engine.
class Signal {
 public:
  void set() {
    std::lock_guard const lock(mutex_);
    set_ = true;
    changed_.notify_all();
  }
  [[nodiscard]] bool is_set() const {
    std::lock_guard const lock(mutex_);
    return set_;
  }
  /// Returns whether it was set within the bound.
  [[nodiscard]] bool wait(Clock::duration bound = kBound) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, bound, [this] { return set_; });
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

/// For what has no event to wait for: asks again and again, yielding, until the bound.
template <class Condition>
[[nodiscard]] bool eventually(Condition condition, Clock::duration bound = kBound) {
  auto const deadline = Deadline::after(bound);
  while (!condition()) {
    if (deadline.passed()) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace cohort::test
