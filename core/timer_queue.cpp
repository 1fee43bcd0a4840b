#include "core/timer_queue.h"

#include <sys/timerfd.h>
#include <unistd.h>
#include <vector>

#include "core/error.h"

namespace cohort {

TimerQueue::TimerQueue()
    : descriptor_(check(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC),
                        "timerfd_create")) {}

TimerQueue::~TimerQueue() { ::close(descriptor_); }

TimerId TimerQueue::schedule(Clock::time_point when, std::function<void()> function) {
  std::lock_guard const lock(mutex_);
  auto const id = ++last_id_;
  timers_.emplace(Key{when, id}, std::move(function));
  when_.emplace(id, when);
  if (when < armed_for_) arm();
  return TimerId{id};
}

void TimerQueue::cancel(TimerId id) noexcept {
  std::lock_guard const lock(mutex_);
  auto const number = static_cast<std::uint64_t>(id);
  auto const found = when_.find(number);
  if (found == when_.end()) return;
  timers_.erase(Key{found->second, number});
  when_.erase(found);
  // The descriptor may ring once for nothing; that is cheaper than to set it anew each time.
}

bool TimerQueue::on_readable() noexcept {
  std::uint64_t expirations = 0;
  if (::read(descriptor_, &expirations, sizeof expirations) < 0) return false;
  std::vector<std::function<void()>> due;
  {
    std::lock_guard const lock(mutex_);
    auto const now = Clock::now();
    while (!timers_.empty() && timers_.begin()->first.first <= now) {
      auto node = timers_.extract(timers_.begin());
      when_.erase(node.key().second);
      due.push_back(std::move(node.mapped()));
    }
    arm();
  }
  for (auto& function : due) function();
  return true;
}

void TimerQueue::arm() noexcept {
  itimerspec setting{};
  armed_for_ = timers_.empty() ? Clock::time_point::max() : timers_.begin()->first.first;
  if (!timers_.empty()) {
    // steady_clock is CLOCK_MONOTONIC, so its time points can be given as they are.
    auto const since_boot = armed_for_.time_since_epoch();
    auto const seconds = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
    setting.it_value.tv_sec = seconds.count();
    setting.it_value.tv_nsec = std::chrono::nanoseconds(since_boot - seconds).count();
  }
  ::timerfd_settime(descriptor_, TFD_TIMER_ABSTIME, &setting, nullptr);
}

}  // namespace cohort
