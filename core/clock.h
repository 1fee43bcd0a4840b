// Deadlines: the one way in which cohort says "no longer than".
#pragma once

#include <chrono>
#include <ctime>

namespace cohort {

/// The clock of all waits: it neither jumps nor goes back.
using Clock = std::chrono::steady_clock;

/// @cond of cohort itself
/// The same clock, behind by a few ms at the most, for what happens with every call: it takes a
/// quarter of the time.
[[nodiscard]] inline Clock::time_point coarse_now() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return Clock::time_point(std::chrono::seconds(now.tv_sec) +
                           std::chrono::nanoseconds(now.tv_nsec));
}
/// @endcond

/// A point in time after which a wait gives up. `Deadline::never()` waits for an event alone.
class Deadline {
 public:
  /// No deadline.
  [[nodiscard]] static Deadline never() noexcept { return Deadline(Clock::time_point::max()); }
  /// So long from now; never where that is beyond the clock's end.
  [[nodiscard]] static Deadline after(Clock::duration duration) noexcept {
    auto const now = Clock::now();
    bool const overflows = duration > Clock::time_point::max() - now;
    return overflows ? never() : Deadline(now + duration);
  }
  /// At this time.
  explicit Deadline(Clock::time_point at) noexcept : at_(at) {}

  /// Whether there is none.
  [[nodiscard]] bool is_never() const noexcept { return at_ == Clock::time_point::max(); }
  /// Whether it is over.
  [[nodiscard]] bool passed() const noexcept { return !is_never() && Clock::now() >= at_; }
  /// When it is over.
  [[nodiscard]] Clock::time_point at() const noexcept { return at_; }
  /// Time left, never negative; a day where there is no deadline.
  [[nodiscard]] Clock::duration left() const noexcept {
    if (is_never()) return std::chrono::hours(24);
    auto const now = Clock::now();
    return at_ > now ? at_ - now : Clock::duration::zero();
  }
  /// For poll and epoll: milliseconds left, rounded up; -1 for never.
  [[nodiscard]] int poll_timeout() const noexcept {
    if (is_never()) return -1;
    auto const ms = std::chrono::ceil<std::chrono::milliseconds>(left()).count();
    constexpr long long kHour = 3'600'000;
    return static_cast<int>(ms < kHour ? ms : kHour);
  }

 private:
  Clock::time_point at_;
};

}  // namespace cohort
