// The I/O engine: whoever needs progress drives it, and a backup thread takes over only when
// nobody has driven it for a while ("lazy takeover"). docs/decisions/0001-lazy-takeover.md says
// why, and core/engine.cpp states the invariants. Shared by all connections of a process.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <sys/epoll.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/event.h"
#include "core/fork.h"
#include "core/long_wait.h"
#include "core/serial_thread.h"
#include "core/source.h"
#include "core/timer_queue.h"

namespace cohort {

class Engine {
 public:
  struct Options {
    /// How long a waiting thread yields and polls before it blocks. 0: blocks at once.
    std::chrono::microseconds spin{20};
    /// Nobody drove for one tick: the backup thread attends to the sources.
    std::chrono::milliseconds tick{10};
    /// The tick while calls are being coalesced: a call is held back for two of them at the most.
    std::chrono::milliseconds short_tick{1};
  };

  explicit Engine(Options options);
  Engine() : Engine(Options{}) {}
  /// Every source must be detached and nobody may wait any more. In a forked child it leaves
  /// everything as it is, and so do the functions below, but for wait(), which throws.
  ~Engine();
  Engine(Engine const&) = delete;
  Engine& operator=(Engine const&) = delete;

  /// Any thread; from a handler too. Keeps the source until it is detached.
  void attach(std::shared_ptr<Source> source);
  /// Any thread; from a handler too. No handler of the source runs once this returned.
  void detach(Source& source);
  /// Any thread: asks for on_writable(), or for no more of them.
  void want_writable(Source& source, bool wanted) noexcept;

  /// Waits for the event, driving the sources where nobody else does. Returns whether it is ready.
  /// Any thread, but never from a handler (std::logic_error). Throws Error (kRefused) in a forked
  /// child, whose parent's traffic this would take. `lasting` is looked at now and then where the
  /// thread blocks for long.
  bool wait(Event& event, Deadline deadline = Deadline::never(), LongWait* lasting = nullptr);
  /// Runs the function under the I/O lock, soon, and returns when it ran. From a handler: at once.
  /// What the function throws is thrown here.
  void run_locked(std::function<void()> function);
  /// True in a handler: this thread holds the I/O lock, and must not wait.
  [[nodiscard]] bool in_handler() const noexcept;
  /// In a handler: keeps them until the I/O lock was left, since their destructors are user code.
  void destroy_later(std::vector<std::shared_ptr<void const>> owners);

  [[nodiscard]] Birthplace const& birthplace() const noexcept { return birthplace_; }

  /// Wakes the thread that blocks in epoll, or makes the next one look up. Any thread.
  void kick() noexcept;

  /// Who is expected to flush what is held back: calls are soon waited for; a stream's elements
  /// may come from a thread that never waits.
  enum class Flush : std::uint8_t { kByWait, kByTick };
  /// Says that `gatherer` keeps bytes unsent. True: its flush() will be called within a tick, or
  /// as soon as somebody waits. False: nobody ticks; flush it now. Any thread.
  bool hold_back(std::shared_ptr<Gatherer> gatherer, Flush expected = Flush::kByWait);
  /// Takes hold_back() back: the gatherer sends by itself after all.
  void let_go(Gatherer& gatherer) noexcept;
  /// Flushes everything that was held back. Any thread.
  void flush_held_back() noexcept;

  /// True while calls in quick succession are to be gathered (held back at the caller).
  [[nodiscard]] bool coalescing() const noexcept {
    return backup_.load(std::memory_order_relaxed) == Backup::kShort ||
           short_wanted_.load(std::memory_order_relaxed);
  }
  /// How many calls in quick succession are a reason to start gathering them.
  [[nodiscard]] int burst_threshold() const noexcept {
    return burst_threshold_.load(std::memory_order_relaxed);
  }
  void start_coalescing() noexcept;

  /// The thread on which callbacks of users run, one at a time; it starts with the first one.
  [[nodiscard]] SerialThread& callbacks() noexcept { return callbacks_; }
  /// Hears of exceptions that left a callback and that nobody waits for; std::terminate without it.
  /// Set before the first callback.
  void on_uncaught(std::function<void(ExceptionText)> handler) { uncaught_ = std::move(handler); }
  void report_uncaught(std::exception_ptr const& exception) const noexcept;
  /// Hears of errors that ended a stream that nobody waits for. Set before the first callback.
  void on_unheard(std::function<void(Error const&)> handler) { unheard_ = std::move(handler); }
  void report_unheard(Error const& error) const noexcept;
  /// Hears what a thread waits for that has waited long, and whether that is to be a warning. Any
  /// thread. Set before the first wait.
  void on_long_wait(std::function<void(bool is_warning, std::string line)> handler) {
    long_wait_ = std::move(handler);
  }
  void report_long_wait(bool is_warning, std::string line) const {
    if (long_wait_) long_wait_(is_warning, std::move(line));
  }
  /// The waits that have lasted.
  [[nodiscard]] WaitList& waits() noexcept { return waits_; }
  [[nodiscard]] TimerQueue& timers() noexcept { return *timers_; }
  [[nodiscard]] Options const& options() const noexcept { return options_; }

 private:
  enum class Backup : std::uint32_t {
    kDoze,   ///< ticks: somebody drove during the last tick
    kShort,  ///< ticks faster: calls are being coalesced
    kWatch,  ///< nobody drives: it waits for the sources itself
    kPark,   ///< a driver blocks in epoll: it sleeps without a tick
    kArmed,  ///< as kPark, but the driver left epoll and set the one-shot timer: a tick is near
  };

  /// Holds the I/O lock, where that was free.
  class Turn {
   public:
    explicit Turn(Engine& engine) noexcept;
    Turn(Turn const&) = delete;
    Turn& operator=(Turn const&) = delete;
    ~Turn();
    explicit operator bool() const noexcept { return held_; }

   private:
    Engine& engine_;
    Engine const* const outer_;  // whose lock this thread holds besides
    bool const held_;
  };

  // The driver's side (engine.cpp). All but try_lock need the I/O lock.
  [[nodiscard]] bool try_lock() noexcept;
  void leave() noexcept;
  void drive(Event& event, Deadline deadline, LongWait* lasting);
  bool spin(Event& event);
  void block(Event& event, Deadline deadline);
  bool poll_sources(bool ask_epoll);
  [[nodiscard]] bool put_polled_to_sleep();
  void forget_detached() noexcept;
  void find_hot();
  void dispatch(int count);
  void run_commands();
  void yield_and_mind_hogs(Clock::time_point now);

  // Threads that wait while another drives.
  enum class Spun { kReady, kLockIsFree, kInVain };
  Spun spin_as_follower(Event const& event) const;
  void enlist(Event& event);
  void unlist(Event& event);
  void promote_if_free() noexcept;
  void promote_one() noexcept;

  // The backup thread's side (backup.cpp).
  void run_backup();
  void leave_ticking_state(Backup next);
  void take_turn_for_nobody();
  void end_of_short_tick();
  void choose_next_state();
  [[nodiscard]] bool start_watching();
  void arm_one_shot() noexcept;
  void set_watching(bool watching);
  [[nodiscard]] bool ticking() const noexcept;  // held_mutex_ held
  static void ring(int eventfd) noexcept;

  struct HeldBack {
    std::shared_ptr<Gatherer> gatherer;
    Flush expected;
    Clock::time_point since;
  };

  Options const options_;
  Birthplace const birthplace_;
  /// Closes it, also where the constructor throws. No forked child has it.
  class Descriptor {
   public:
    explicit Descriptor(int number) noexcept;
    Descriptor(Descriptor const&) = delete;
    Descriptor& operator=(Descriptor const&) = delete;
    ~Descriptor();
    operator int() const noexcept { return number_; }

   private:
    int const number_;
  };

  Descriptor const epoll_;         // every source, and kick_
  Descriptor const backup_epoll_;  // epoll_ itself while watching, backup_kick_, one_shot_
  Descriptor const kick_;
  Descriptor const backup_kick_;
  Descriptor const one_shot_;

  // Guarded by the I/O lock.
  std::vector<std::shared_ptr<Source>> sources_;
  std::vector<PolledSource*> polled_;
  bool polled_awake_ = false;                         // some of them may have traffic and not ring
  std::vector<std::shared_ptr<Source>> detached_;     // kept until the handlers returned
  std::vector<std::shared_ptr<void const>> garbage_;  // see destroy_later()
  Source* hot_ = nullptr;                             // the only connection, where there is one
  std::array<epoll_event, 64> events_;
  Clock::time_point no_spin_until_{};
  std::chrono::milliseconds no_spin_for_{0};
  unsigned good_yields_ = 0;
  unsigned rounds_ = 0;

  alignas(64) std::atomic<std::uint32_t> locked_{0};  // the I/O lock
  std::atomic<std::uint64_t> turns_{0};               // bumped each time the lock is left
  std::atomic<std::uint32_t> follower_count_{0};
  std::atomic<int> writable_wanted_{0};

  alignas(64) std::atomic<Backup> backup_{Backup::kDoze};
  std::atomic<bool> blocked_{false};       // a driver is in epoll_wait
  std::atomic<bool> short_wanted_{false};  // the backup was rung, and will be in kShort
  std::atomic<bool> stop_{false};
  std::atomic<std::uint32_t> held_count_{0};
  std::atomic<int> burst_threshold_;

  std::mutex follower_mutex_;
  std::deque<Event*> followers_;
  std::mutex held_mutex_;  // guards held_, and every change of backup_ out of a ticking state
  std::vector<HeldBack> held_;
  std::atomic<std::uint32_t> useful_flushes_{0};  // of what was held back, before its tick
  std::mutex command_mutex_;
  std::vector<std::function<void()>> commands_;

  // The backup thread's own.
  std::uint64_t turns_seen_ = 0;
  bool watching_ = false;
  int quiet_ticks_ = 0;
  int still_ticks_ = 0;
  int good_ticks_ = 0;

  std::shared_ptr<TimerQueue> timers_;
  std::thread backup_thread_;
  std::function<void(ExceptionText)> uncaught_;
  std::function<void(Error const&)> unheard_;
  std::function<void(bool, std::string)> long_wait_;
  WaitList waits_;
  SerialThread callbacks_{"callbacks of streams"};
};

/// Notices that calls, or a stream's elements, come in quick succession, and has them gathered
/// from then on. Its owner guards it.
class Burst {
 public:
  /// Whether so little time has passed since then that another would have been worth gathering.
  [[nodiscard]] static bool follows(Clock::time_point then) {
    constexpr std::chrono::microseconds kClose{20};
    return Clock::now() - then < kClose;
  }
  /// Whether the next one may be held back. `is_quick` is asked only where that is not known.
  template <class IsQuick>
  [[nodiscard]] bool may_gather(Engine& engine, IsQuick const& is_quick) {
    if (engine.coalescing()) return true;
    if (!is_quick()) {
      count_ = 0;
    } else if (++count_ >= engine.burst_threshold()) {
      count_ = 0;
      engine.start_coalescing();
    }
    return false;
  }

 private:
  int count_ = 0;
};

}  // namespace cohort
