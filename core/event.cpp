#include "core/event.h"

#include <climits>
#include <ctime>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/engine.h"

namespace cohort {
namespace {

static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));

void futex_wake(std::atomic<std::uint32_t>* word, int count) noexcept {
  ::syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

}  // namespace

bool Event::set(Engine& engine) noexcept {
  auto* const word = &word_;
  auto const before = word->exchange(kReady, std::memory_order_seq_cst);
  // A stray FUTEX_WAKE on freed memory is harmless: waiters re-check their condition.
  if (before & kParked) futex_wake(word, INT_MAX);
  if (before & kDriving) engine.kick();
  return (before & (kWatched | kReady)) == kWatched;
}

void Event::park(std::uint32_t expected, Deadline deadline) noexcept {
  auto const left = deadline.left();
  auto const seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
  timespec timeout{};
  timeout.tv_sec = seconds.count();
  timeout.tv_nsec = std::chrono::nanoseconds(left - seconds).count();
  ::syscall(SYS_futex, &word_, FUTEX_WAIT_PRIVATE, expected, &timeout, nullptr, 0);
}

void Event::unpark() noexcept {
  word_.fetch_and(~kParked, std::memory_order_seq_cst);
  futex_wake(&word_, INT_MAX);
}

}  // namespace cohort
