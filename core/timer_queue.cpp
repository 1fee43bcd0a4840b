#include "core/timer_queue.h"

#include <algorithm>

#include <sys/timerfd.h>
#include <unistd.h>

#include "core/error.h"
#include "core/fork.h"

namespace cohort {

TimerQueue::TimerQueue()
    : descriptor_(
          check(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), "timerfd_create")) {
  keep_from_forks(descriptor_);
}

TimerQueue::~TimerQueue() {
  share_with_forks(descriptor_);
  ::close(descriptor_);
}

TimerId TimerQueue::schedule(Clock::time_point when, std::function<void()> function) {
  std::lock_guard const lock(mutex_);
  auto const id = ++last_id_;
  timers_.emplace(Key{when, id}, std::move(function));
  when_.emplace(id, when);
  if (when < armed_for_) arm();
  return TimerId{id};
}

void TimerQueue::cancel(TimerId id) noexcept {
  std::function<void()> dropped;  // what it holds goes away without the mutex
  std::lock_guard const lock(mutex_);
  auto const number = static_cast<std::uint64_t>(id);
  auto const found = when_.find(number);
  if (found == when_.end()) return;
  dropped = std::move(timers_.extract(Key{found->second, number}).mapped());
  when_.erase(found);
  // The descriptor may ring once for nothing; that is cheaper than to set it anew each time.
}

bool TimerQueue::on_readable() noexcept {
  std::uint64_t expirations = 0;
  if (::read(descriptor_, &expirations, sizeof expirations) < 0) return false;
  // One by one, so that a timer may cancel another that is due at the same time.
  auto const now = Clock::now();
  while (auto function = take_due(now)) function();
  return true;
}

/// The next function that is due; nothing, and the descriptor set for the next, when none is.
std::function<void()> TimerQueue::take_due(Clock::time_point now) {
  std::lock_guard const lock(mutex_);
  if (timers_.empty() || timers_.begin()->first.first > now) {
    arm();
    return nullptr;
  }
  auto node = timers_.extract(timers_.begin());
  when_.erase(node.key().second);
  return std::move(node.mapped());
}

void TimerQueue::arm() noexcept {
  itimerspec setting{};
  armed_for_ = timers_.empty() ? Clock::time_point::max() : timers_.begin()->first.first;
  if (!timers_.empty()) {
    // steady_clock is CLOCK_MONOTONIC, so its time points can be given as they are; but 0 disarms.
    auto const since_boot = std::max(armed_for_.time_since_epoch(), Clock::duration(1));
    auto const seconds = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
    setting.it_value.tv_sec = seconds.count();
    setting.it_value.tv_nsec = std::chrono::nanoseconds(since_boot - seconds).count();
  }
  ::timerfd_settime(descriptor_, TFD_TIMER_ABSTIME, &setting, nullptr);
}

}  // namespace cohort
