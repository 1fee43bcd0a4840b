// The driver's side of the engine: waiting, spinning, blocking, handing over.
//
// Invariants, each with the race that it closes:
//  1. Sources are attended to only under the I/O lock, which is only ever tried, never waited for.
//  2. A thread that leaves the lock bumps turns_, releases the lock, then looks for followers. A
//     follower enlists and marks its event kParked, then looks at the lock, then sleeps. One of
//     the two sees the other (both sequentially consistent), so somebody always drives.
//  3. A driver stores blocked_ around epoll_wait and then looks at backup_; the backup stores
//     kPark and then looks at blocked_. One of the two sees the other, so a parked backup has
//     either a blocked driver or an armed timer.
//  4. Bytes are held back only while the backup ticks, or was rung to do so. Whether that is so is
//     asked, and the list of what is held back is extended, under held_mutex_; the backup leaves a
//     ticking state under that mutex and flushes what it finds there. Nothing stays behind.
//  5. Event::set exchanges the whole word, so it learns exactly once whom it must wake; a driver
//     marks kDriving before it blocks and is kicked out of epoll by whoever sets its event.
//  6. User code never runs under the I/O lock: handlers fill promises and queues.
//  7. The backup watches only while every polled source sleeps: it takes to watching under the
//     I/O lock, after having put them to sleep; who polls them awake, or attends to
//     anything while they sleep, rings it when it leaves.
#include "core/engine.h"

#include <algorithm>
#include <exception>
#include <iterator>
#include <stdexcept>
#include <utility>

#include <sched.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/error.h"
#include "core/start_thread.h"

namespace cohort {
namespace {

using std::chrono::milliseconds;

/// The engine whose I/O lock this thread holds: handlers may call back into it.
thread_local Engine const* t_driving = nullptr;

/// A yield that lasts longer went to a computing task, which keeps the core for a scheduler tick.
constexpr milliseconds kHogYield{3};
constexpr milliseconds kFirstPause{8};
constexpr milliseconds kLongestPause{1000};
constexpr unsigned kGoodYieldsToTrustAgain = 256;
/// With one connection, receive directly and ask epoll only every so many rounds; likewise while
/// there is something to poll.
constexpr unsigned kEpollEvery = 16;
constexpr unsigned kEpollEveryBesidePolling = 64;
/// To look at a polled source takes a fraction of what it takes to yield.
constexpr unsigned kPollsPerYield = 16;

constexpr int kFirstBurstThreshold = 4;

void add_to_epoll(int epoll, int descriptor, void const* data) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = const_cast<void*>(data);
  check(::epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event), "epoll_ctl(ADD)");
}

}  // namespace

Engine::Engine(Options options)
    : options_(options),
      epoll_(check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      backup_epoll_(check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      kick_(check(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd")),
      backup_kick_(check(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd")),
      one_shot_(
          check(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), "timerfd_create")),
      burst_threshold_(kFirstBurstThreshold),
      timers_(std::make_shared<TimerQueue>()) {
  add_to_epoll(epoll_, kick_, nullptr);
  add_to_epoll(backup_epoll_, backup_kick_, &backup_kick_);
  add_to_epoll(backup_epoll_, one_shot_, &one_shot_);
  attach(timers_);
  backup_thread_ = start_thread("the I/O engine", [this] { run_backup(); });  // last: it may throw
}

Engine::Descriptor::Descriptor(int number) noexcept : number_(number) { keep_from_forks(number_); }
Engine::Descriptor::~Descriptor() {
  share_with_forks(number_);
  ::close(number_);
}

Engine::~Engine() {
  if (birthplace_.is_elsewhere()) {
    abandon(std::move(backup_thread_));
    return;
  }
  callbacks_.finish();
  detach(*timers_);
  stop_.store(true);
  ring(backup_kick_);
  backup_thread_.join();
}

void Engine::attach(std::shared_ptr<Source> source) {
  run_locked([this, &source] {
    if (source->descriptor() >= 0) add_to_epoll(epoll_, source->descriptor(), source.get());
    if (auto* polled = dynamic_cast<PolledSource*>(source.get())) {
      polled_.push_back(polled);
      polled_awake_ = true;
    }
    sources_.push_back(std::move(source));
    find_hot();
  });
}

void Engine::detach(Source& source) {
  run_locked([this, &source] {
    auto const found = std::find_if(sources_.begin(), sources_.end(),
                                    [&](auto const& each) { return each.get() == &source; });
    if (found == sources_.end()) return;
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, source.descriptor(), nullptr);
    std::erase(polled_, dynamic_cast<PolledSource*>(&source));
    for (auto& event : events_) {
      if (event.data.ptr == &source) event.data.ptr = this;  // see dispatch()
    }
    detached_.push_back(std::move(*found));
    sources_.erase(found);
    find_hot();
  });
}

void Engine::find_hot() {
  hot_ = nullptr;
  for (auto const& source : sources_) {
    if (!source->is_hot()) continue;
    if (hot_ != nullptr) {
      hot_ = nullptr;
      return;
    }
    hot_ = source.get();
  }
}

void Engine::want_writable(Source& source, bool wanted) noexcept {
  if (birthplace_.is_elsewhere() || source.descriptor() < 0) return;
  epoll_event event{};
  event.events = wanted ? EPOLLIN | EPOLLOUT : EPOLLIN;
  event.data.ptr = &source;
  if (::epoll_ctl(epoll_, EPOLL_CTL_MOD, source.descriptor(), &event) == 0) {
    writable_wanted_.fetch_add(wanted ? 1 : -1, std::memory_order_relaxed);
  }
}

void Engine::run_locked(std::function<void()> function) {
  if (birthplace_.is_elsewhere()) return;
  if (in_handler()) return function();
  Event done;
  std::exception_ptr failure;
  {
    std::lock_guard const lock(command_mutex_);
    commands_.push_back([&] {
      // It may run on any thread, whose business its failure is not.
      try {
        function();
      } catch (...) {
        failure = std::current_exception();
      }
      done.set(*this);
    });
  }
  kick();
  wait(done);
  if (failure) std::rethrow_exception(failure);
}

bool Engine::in_handler() const noexcept { return t_driving == this; }

void Engine::destroy_later(std::vector<std::shared_ptr<void const>> owners) {
  garbage_.insert(garbage_.end(), std::make_move_iterator(owners.begin()),
                  std::make_move_iterator(owners.end()));
}

void Engine::kick() noexcept { ring(kick_); }

void Engine::ring(int eventfd) noexcept {
  std::uint64_t const one = 1;
  // A counter at its maximum is readable anyway, so a failed write loses nothing.
  [[maybe_unused]] auto const written = ::write(eventfd, &one, sizeof one);
}

/// What leaves it ends the process, as on any thread.
void Engine::report_uncaught(std::exception_ptr const& exception) const noexcept {
  if (!uncaught_) std::rethrow_exception(exception);
  try {
    std::rethrow_exception(exception);
  } catch (...) {
    uncaught_(describe_current_exception());
  }
}

void Engine::report_unheard(Error const& error) const noexcept {
  if (unheard_) unheard_(error);
}

void Engine::run_commands() {
  std::uint64_t rings = 0;
  [[maybe_unused]] auto const drained = ::read(kick_, &rings, sizeof rings);
  std::vector<std::function<void()>> commands;
  {
    std::lock_guard const lock(command_mutex_);
    commands.swap(commands_);
  }
  for (auto& command : commands) command();
}

// ---- waiting ---------------------------------------------------------------------------------

bool Engine::wait(Event& event, Deadline deadline, LongWait* lasting) {
  if (event.ready()) return true;
  birthplace_.require_here();
  if (in_handler()) throw std::logic_error("cohort: a handler waited on its own engine");
  bool enlisted = false;
  auto const stop_following = [&] {
    if (enlisted) unlist(event);
    enlisted = false;
  };
  for (;;) {
    if (lasting != nullptr && lasting->is_due()) {
      stop_following();
      promote_if_free();
      lasting->look_now();
      if (event.ready()) return true;
    }
    if (Turn const turn(*this); turn) {
      stop_following();
      drive(event, deadline, lasting);
      if (event.ready() || deadline.passed()) return event.ready();
      continue;  // having left the lock for a moment, with what is to be destroyed
    }
    auto const spun = spin_as_follower(event);
    if (spun == Spun::kLockIsFree && !deadline.passed()) continue;
    if (spun == Spun::kInVain) {
      flush_held_back();
      if (!enlisted) {
        enlist(event);
        enlisted = true;
        continue;  // look at the lock once more after having announced ourselves (invariant 2)
      }
      auto const word = event.word_.fetch_or(Event::kParked) | Event::kParked;
      if ((word & Event::kReady) == 0 && locked_.load() != 0) {
        event.park(word, lasting == nullptr ? deadline : lasting->at_most(deadline));
      }
    }
    if (event.ready() || deadline.passed()) {
      stop_following();
      promote_if_free();  // we may have been the one that was woken to drive
      return event.ready();
    }
  }
}

void Engine::drive(Event& event, Deadline deadline, LongWait* lasting) {
  while (!event.ready()) {
    flush_held_back();
    bool const attended = spin(event);
    if (deadline.passed() || !garbage_.empty()) return;  // also where input never ceases
    if (lasting != nullptr && lasting->is_due()) return;
    if (!attended) block(event, lasting == nullptr ? deadline : lasting->at_most(deadline));
  }
}

/// Polls and yields until something was attended to or the event is ready.
bool Engine::spin(Event& event) {
  auto const start = Clock::now();
  auto const budget = start < no_spin_until_ ? Clock::duration::zero() : options_.spin;
  for (;;) {
    // Counted across spins, or one busy connection would keep timers and commands waiting.
    bool const ask_epoll =
        ++rounds_ % (polled_.empty() ? kEpollEvery : kEpollEveryBesidePolling) == 0;
    if (poll_sources(ask_epoll) || event.ready()) return true;
    if (!polled_.empty() && rounds_ % kPollsPerYield != 0) continue;
    auto const now = Clock::now();
    if (now - start >= budget) return false;
    yield_and_mind_hogs(now);
    if (no_spin_until_ > now) return false;
  }
}

bool Engine::poll_sources(bool ask_epoll) {
  forget_detached();
  bool attended = false;
  polled_awake_ = !polled_.empty();
  // By index, since a handler may attach and detach.
  for (std::size_t i = 0; i < polled_.size(); ++i) attended |= polled_[i]->poll();
  if (!polled_.empty() && !ask_epoll) return attended;
  bool const only_hot =
      hot_ != nullptr && !ask_epoll && writable_wanted_.load(std::memory_order_relaxed) == 0;
  if (only_hot) return hot_->on_readable();
  int const count = ::epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), 0);
  if (count <= 0) return attended;
  dispatch(count);
  return true;
}

/// Lends the core to whoever wants it. Where that takes a whole scheduler tick, a computing task
/// has it, and a blocked thread is woken sooner than a yielding one: do not spin for a while.
void Engine::yield_and_mind_hogs(Clock::time_point now) {
  ::sched_yield();
  if (Clock::now() - now > kHogYield) {
    good_yields_ = 0;
    no_spin_for_ = no_spin_for_ == milliseconds::zero() ? kFirstPause
                                                        : std::min(no_spin_for_ * 2, kLongestPause);
    no_spin_until_ = Clock::now() + no_spin_for_;
  } else if (no_spin_for_ != milliseconds::zero() && ++good_yields_ > kGoodYieldsToTrustAgain) {
    no_spin_for_ = milliseconds::zero();
    no_spin_until_ = {};
  }
}

void Engine::block(Event& event, Deadline deadline) {
  if (!put_polled_to_sleep()) return;
  int count = 0;
  if ((event.word_.fetch_or(Event::kDriving) & Event::kReady) == 0) {
    blocked_.store(true);
    count = ::epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()),
                         deadline.poll_timeout());
    blocked_.store(false);
    if (backup_.load() == Backup::kPark) arm_one_shot();
  }
  event.word_.fetch_and(~Event::kDriving);
  dispatch(count);
  if (count > 0) polled_awake_ = !polled_.empty();  // a handler may have heard of their traffic
}

bool Engine::put_polled_to_sleep() {
  polled_awake_ = !std::all_of(polled_.begin(), polled_.end(),
                               [](auto* source) { return source->go_to_sleep(); });
  return !polled_awake_;
}

/// Their destructors may detach further sources.
void Engine::forget_detached() noexcept {
  while (!detached_.empty()) auto const gone = std::exchange(detached_, {});
}

void Engine::dispatch(int count) {
  for (int i = 0; i < count; ++i) {
    // A handler may detach any source: its entries then point to the engine itself.
    auto* const data = events_[static_cast<std::size_t>(i)].data.ptr;
    auto const events = events_[static_cast<std::size_t>(i)].events;
    if (data == nullptr) {
      run_commands();
      continue;
    }
    if (data == this) continue;
    auto* const source = static_cast<Source*>(data);
    if (events & EPOLLOUT) source->on_writable();
    if ((events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0 &&
        events_[static_cast<std::size_t>(i)].data.ptr != this) {
      source->on_readable();
    }
  }
  for (int i = 0; i < count; ++i) events_[static_cast<std::size_t>(i)].data.ptr = nullptr;
}

// ---- the I/O lock and those who wait for it ----------------------------------------------------

bool Engine::try_lock() noexcept {
  std::uint32_t free = 0;
  if (locked_.load(std::memory_order_relaxed) != 0 || !locked_.compare_exchange_strong(free, 1)) {
    return false;
  }
  return true;
}

Engine::Turn::Turn(Engine& engine) noexcept
    : engine_(engine), outer_(t_driving), held_(engine.try_lock()) {
  if (held_) t_driving = &engine;
}

Engine::Turn::~Turn() {
  if (!held_) return;
  engine_.forget_detached();
  auto const garbage = std::exchange(engine_.garbage_, {});  // destroyed behind all this
  t_driving = outer_;
  engine_.leave();
}

void Engine::leave() noexcept {
  if (polled_awake_ && backup_.load() == Backup::kWatch) ring(backup_kick_);  // invariant 7
  turns_.store(turns_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  locked_.store(0);
  if (follower_count_.load() != 0) promote_one();
}

Engine::Spun Engine::spin_as_follower(Event const& event) const {
  auto const start = Clock::now();
  do {
    if (event.ready()) return Spun::kReady;
    if (locked_.load(std::memory_order_relaxed) == 0) return Spun::kLockIsFree;
    ::sched_yield();
  } while (Clock::now() - start < options_.spin);
  return Spun::kInVain;
}

void Engine::enlist(Event& event) {
  {
    std::lock_guard const lock(follower_mutex_);
    followers_.push_back(&event);
  }
  follower_count_.fetch_add(1);
}

void Engine::unlist(Event& event) {
  {
    std::lock_guard const lock(follower_mutex_);
    followers_.erase(std::find(followers_.begin(), followers_.end(), &event));
  }
  follower_count_.fetch_sub(1);
}

void Engine::promote_if_free() noexcept {
  if (locked_.load() == 0 && follower_count_.load() != 0) promote_one();
}

void Engine::promote_one() noexcept {
  std::lock_guard const lock(follower_mutex_);
  if (!followers_.empty()) followers_.front()->unpark();
}

// ---- what is held back -------------------------------------------------------------------------

bool Engine::hold_back(std::shared_ptr<Gatherer> gatherer, Flush expected) {
  std::lock_guard const lock(held_mutex_);
  if (!ticking()) return false;
  held_.push_back({std::move(gatherer), expected, Clock::now()});
  held_count_.store(static_cast<std::uint32_t>(held_.size()), std::memory_order_release);
  return true;
}

void Engine::let_go(Gatherer& gatherer) noexcept {
  std::lock_guard const lock(held_mutex_);
  std::erase_if(held_, [&](auto const& each) { return each.gatherer.get() == &gatherer; });
  held_count_.store(static_cast<std::uint32_t>(held_.size()), std::memory_order_relaxed);
  useful_flushes_.fetch_add(1, std::memory_order_relaxed);
}

void Engine::flush_held_back() noexcept {
  if (held_count_.load(std::memory_order_acquire) == 0 || birthplace_.is_elsewhere()) return;
  std::vector<HeldBack> held;
  {
    std::lock_guard const lock(held_mutex_);
    held.swap(held_);
    held_count_.store(0, std::memory_order_relaxed);
  }
  useful_flushes_.fetch_add(1, std::memory_order_relaxed);
  for (auto& each : held) each.gatherer->flush();
}

}  // namespace cohort
