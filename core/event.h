// One-shot (resettable) event that a thread waits for through Engine::wait.
// Any thread may set it; the engine that its waiters use must outlive them.
#pragma once

#include <atomic>
#include <cstdint>

#include "core/clock.h"

namespace cohort {

class Engine;

/// The state is one word, so that setting it is one atomic exchange and nobody is woken in vain:
/// `ready`, and who must be told when it becomes so.
class Event {
 public:
  static constexpr std::uint32_t kReady = 1;    ///< set() was called
  static constexpr std::uint32_t kParked = 2;   ///< a follower sleeps on the word (futex)
  static constexpr std::uint32_t kDriving = 4;  ///< the driver blocks in epoll on its behalf
  static constexpr std::uint32_t kWatched = 8;  ///< a CompletionQueue wants it (see future.h)

  Event() = default;
  Event(Event const&) = delete;
  Event& operator=(Event const&) = delete;

  [[nodiscard]] bool ready() const noexcept {
    return (word_.load(std::memory_order_acquire) & kReady) != 0;
  }

  /// Makes it ready and wakes whoever waits. Returns true where a CompletionQueue is to be told.
  /// `engine` is the one that its waiters drive. The event may be destroyed by its waiter as
  /// soon as the word changed, so nothing of it is touched after the exchange but by address.
  bool set(Engine& engine) noexcept;

  /// Back to "not ready". Only for events with one owner, such as "the inbox has work".
  void reset() noexcept { word_.fetch_and(~kReady, std::memory_order_acq_rel); }

  /// Asks that set() report kWatched. Returns false where the event was ready already.
  [[nodiscard]] bool watch() noexcept {
    return (word_.fetch_or(kWatched, std::memory_order_acq_rel) & kReady) == 0;
  }
  /// Takes the request back. Returns false where set() came first (and reported it).
  [[nodiscard]] bool unwatch() noexcept {
    return (word_.fetch_and(~kWatched, std::memory_order_acq_rel) & kReady) == 0;
  }

 private:
  friend class Engine;

  /// Sleeps while the word is `expected`, no longer than the deadline.
  void park(std::uint32_t expected, Deadline deadline) noexcept;
  void unpark() noexcept;

  std::atomic<std::uint32_t> word_{0};
};

}  // namespace cohort
