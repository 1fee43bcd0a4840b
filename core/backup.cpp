// The backup thread's side of the engine: it ticks while somebody drives now and then, attends to
// the sources when nobody does, and sleeps for good while a driver blocks or nothing happens.
#include <algorithm>
#include <utility>

#include <sys/timerfd.h>
#include <unistd.h>

#include "core/engine.h"

namespace cohort {
namespace {

/// kShort ends after so many ticks in which nothing was held back.
constexpr int kQuietTicks = 20;
/// A burst threshold that proved wrong grows up to this, and falls back after kGoodTicks.
constexpr int kLargestThreshold = 256;
constexpr int kSmallestThreshold = 4;
constexpr int kGoodTicks = 200;
/// So many flushes in time since the last call that was stranded outweigh it.
constexpr std::uint32_t kUsefulFlushes = 16;

void drain(int descriptor) noexcept {
  std::uint64_t count = 0;
  [[maybe_unused]] auto const drained = ::read(descriptor, &count, sizeof count);
}

}  // namespace

bool Engine::ticking() const noexcept {
  auto const state = backup_.load(std::memory_order_relaxed);
  return state == Backup::kDoze || state == Backup::kShort || state == Backup::kArmed ||
         short_wanted_.load();
}

void Engine::start_coalescing() noexcept {
  if (short_wanted_.exchange(true)) return;
  ring(backup_kick_);
}

void Engine::arm_one_shot() noexcept {
  auto parked = Backup::kPark;
  if (!backup_.compare_exchange_strong(parked, Backup::kArmed)) return;
  itimerspec setting{};
  auto const seconds = std::chrono::duration_cast<std::chrono::seconds>(options_.tick);
  setting.it_value.tv_sec = seconds.count();
  setting.it_value.tv_nsec = std::chrono::nanoseconds(options_.tick - seconds).count();
  ::timerfd_settime(one_shot_, 0, &setting, nullptr);
}

void Engine::set_watching(bool watching) {
  if (watching == watching_) return;
  watching_ = watching;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = this;
  ::epoll_ctl(backup_epoll_, watching ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, epoll_, &event);
}

void Engine::run_backup() {
  std::array<epoll_event, 4> events{};
  for (;;) {
    auto const state = backup_.load();
    auto const timeout = state == Backup::kDoze    ? options_.tick
                         : state == Backup::kShort ? options_.short_tick
                                                   : std::chrono::milliseconds(-1);
    int const count = ::epoll_wait(backup_epoll_, events.data(), static_cast<int>(events.size()),
                                   static_cast<int>(timeout.count()));
    if (stop_.load()) return;
    bool input = false;
    for (int i = 0; i < count; ++i) {
      auto* const data = events[static_cast<std::size_t>(i)].data.ptr;
      if (data == this) {
        input = true;
      } else {
        drain(*static_cast<Descriptor const*>(data));
      }
    }
    if (short_wanted_.load()) {
      set_watching(false);
      backup_.store(Backup::kShort);
      short_wanted_.store(false);
      quiet_ticks_ = still_ticks_ = 0;
    } else if (input) {
      take_turn_for_nobody();
    } else if (state == Backup::kShort) {
      end_of_short_tick();
    } else {
      choose_next_state();
    }
  }
}

/// Watching, and a source has something: attend to it, unless somebody drives again.
void Engine::take_turn_for_nobody() {
  bool may_watch_on = false;
  if (Turn const turn(*this); turn) {
    bool const nobody_drove = turns_.load() == turns_seen_;
    poll_sources(true);
    flush_held_back();
    may_watch_on = put_polled_to_sleep() && nobody_drove;
  }
  turns_seen_ = turns_.load();
  if (may_watch_on) return;
  set_watching(false);
  backup_.store(Backup::kDoze);
}

/// Flushes calls that nobody came to flush by waiting: they were held back on a wrong guess.
void Engine::end_of_short_tick() {
  std::vector<HeldBack> stranded;
  bool held_any = false;
  {
    std::lock_guard const lock(held_mutex_);
    held_any = !held_.empty();
    auto const old = Clock::now() - options_.short_tick / 2;
    auto const young = std::partition(held_.begin(), held_.end(),
                                      [&](auto const& each) { return each.since <= old; });
    stranded.assign(std::make_move_iterator(held_.begin()), std::make_move_iterator(young));
    held_.erase(held_.begin(), young);
    held_count_.store(static_cast<std::uint32_t>(held_.size()), std::memory_order_relaxed);
  }
  for (auto& each : stranded) each.gatherer->flush();
  std::erase_if(stranded, [](auto const& each) { return each.expected == Flush::kByTick; });

  auto const turns = turns_.load();
  quiet_ticks_ = held_any ? 0 : quiet_ticks_ + 1;
  still_ticks_ = turns != turns_seen_ || locked_.load() != 0 ? 0 : still_ticks_ + 1;
  turns_seen_ = turns;
  if (stranded.empty()) {
    if (++good_ticks_ > kGoodTicks) burst_threshold_.store(kSmallestThreshold);
    if (quiet_ticks_ < kQuietTicks && still_ticks_ * options_.short_tick < options_.tick) return;
  } else if (useful_flushes_.exchange(0) >= kUsefulFlushes) {
    return;  // the caller was preempted for a moment: gathering pays nevertheless
  } else {
    burst_threshold_.store(std::min(burst_threshold_.load() * 4, kLargestThreshold));
    good_ticks_ = 0;
  }
  leave_ticking_state(Backup::kDoze);
}

/// At the end of a tick (or of the one-shot timer): who drove since the last one?
void Engine::choose_next_state() {
  flush_held_back();
  auto const turns = turns_.load();
  if (blocked_.load()) {
    set_watching(false);
    leave_ticking_state(Backup::kPark);
    if (!blocked_.load()) backup_.store(Backup::kDoze);  // invariant 3
  } else if (turns != turns_seen_ || !start_watching()) {
    set_watching(false);
    backup_.store(Backup::kDoze);
  } else {
    set_watching(true);
  }
  turns_seen_ = turns_.load();
}

/// Nobody drives, and what has no descriptor rings one from now on (invariant 7).
bool Engine::start_watching() {
  Turn const turn(*this);
  if (!turn) return false;
  bool const asleep = put_polled_to_sleep();
  if (asleep) {
    leave_ticking_state(Backup::kWatch);
  } else {
    poll_sources(true);
  }
  return asleep;
}

/// Invariant 4: the new state is visible before the list is emptied for the last time.
void Engine::leave_ticking_state(Backup next) {
  {
    std::lock_guard const lock(held_mutex_);
    backup_.store(next);
  }
  flush_held_back();
}

}  // namespace cohort
