// What is done about a wait that takes long. The engine looks at it only where its thread blocks.
#pragma once

#include <algorithm>
#include <chrono>
#include <mutex>
#include <vector>

#include "core/clock.h"

namespace cohort {

class Engine;
class Wait;

/// Given to Engine::wait, whose thread has it looked at now and then.
class LongWait {
 public:
  /// A wait is looked at for the first time when its thread has blocked for so long.
  static constexpr std::chrono::milliseconds kFirstLook{50};

  LongWait() = default;
  LongWait(LongWait const&) = delete;
  LongWait& operator=(LongWait const&) = delete;

 protected:
  virtual ~LongWait() = default;

  /// On the waiting thread, which holds no lock of the engine. It must call look_again(), or is
  /// looked at no more.
  virtual void look() noexcept = 0;
  void look_again(Clock::time_point when) noexcept { next_look_ = when; }
  /// When its thread blocked for the first time.
  [[nodiscard]] Clock::time_point begun() const noexcept { return begun_; }

 private:
  friend class Engine;

  /// Its thread is about to block: no longer than until this.
  [[nodiscard]] Deadline at_most(Deadline deadline) noexcept {
    if (begun_ == Clock::time_point::max()) {
      begun_ = Clock::now();
      next_look_ = begun_ + kFirstLook;
    }
    return Deadline(std::min(deadline.at(), next_look_));
  }
  [[nodiscard]] bool is_due() const noexcept {
    return next_look_ != Clock::time_point::max() && Clock::now() >= next_look_;
  }
  void look_now() noexcept {
    next_look_ = Clock::time_point::max();
    look();
  }

  Clock::time_point begun_ = Clock::time_point::max();
  Clock::time_point next_look_ = Clock::time_point::max();
};

/// The waits of an engine that have lasted: others look at what they are for. Any thread.
class WaitList {
 public:
  void add(Wait const& wait) {
    std::lock_guard const lock(mutex_);
    waits_.push_back(&wait);
  }
  void remove(Wait const& wait) noexcept {
    std::lock_guard const lock(mutex_);
    std::erase(waits_, &wait);
  }
  /// Calls it with each, which is there meanwhile. It must take no lock.
  template <class Visit>
  void for_each(Visit const& visit) const {
    std::lock_guard const lock(mutex_);
    for (auto const* wait : waits_) visit(*wait);
  }
  /// What others look at is changed under this.
  [[nodiscard]] std::mutex& mutex() noexcept { return mutex_; }

 private:
  mutable std::mutex mutex_;
  std::vector<Wait const*> waits_;
};

}  // namespace cohort
