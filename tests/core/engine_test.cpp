#include "core/engine.h"

#include <atomic>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/core/bell.h"
#include "tests/support/waiting.h"

namespace cohort {
namespace {

using namespace std::chrono_literals;
using test::Bell;
using test::kBound;
using test::Signal;

/// A tick that never comes: the backup thread gives no help.
constexpr Engine::Options kNoBackup{.spin = 0us, .tick = 1h};

/// Attaches for the time of a scope.
class Attached {
 public:
  Attached(Engine& engine, std::shared_ptr<Source> source) : engine_(engine), source_(source) {
    engine_.attach(std::move(source));
  }
  ~Attached() { engine_.detach(*source_); }

 private:
  Engine& engine_;
  std::shared_ptr<Source> source_;
};

TEST(Engine, ReturnsAtOnceWhenTheEventIsReady) {
  Engine engine;
  Event event;
  event.set(engine);
  EXPECT_TRUE(engine.wait(event));
}

TEST(Engine, LetsTheWaitingThreadAttendToTheSources) {
  Engine engine(kNoBackup);
  Event event;
  std::thread::id handler_thread;
  auto const bell = std::make_shared<Bell>([&] {
    handler_thread = std::this_thread::get_id();
    event.set(engine);
  });
  Attached const attached(engine, bell);
  bell->ring();
  EXPECT_TRUE(engine.wait(event, Deadline::after(kBound)));
  EXPECT_EQ(handler_thread, std::this_thread::get_id());
}

TEST(Engine, WakesADriverThatBlocksWhenAnotherThreadSetsItsEvent) {
  Engine engine(kNoBackup);
  for (int round = 0; round < 300; ++round) {
    Event event;
    std::thread setter([&] { event.set(engine); });
    ASSERT_TRUE(engine.wait(event, Deadline::after(kBound)));
    setter.join();
  }
}

TEST(Engine, LetsAFollowerDriveWhenTheDriverLeaves) {
  Engine engine(kNoBackup);
  for (int round = 0; round < 100; ++round) {
    Event first;
    Event second;
    Signal driven;
    auto const tell = std::make_shared<Bell>([&] { driven.set(); });
    auto const settle = std::make_shared<Bell>([&] { second.set(engine); });
    Attached const a(engine, tell);
    Attached const b(engine, settle);
    std::thread driver([&] { EXPECT_TRUE(engine.wait(first, Deadline::after(kBound))); });
    tell->ring();
    ASSERT_TRUE(driven.wait());
    std::thread follower([&] { EXPECT_TRUE(engine.wait(second, Deadline::after(kBound))); });
    first.set(engine);
    driver.join();
    settle->ring();
    follower.join();
  }
}

TEST(Engine, WakesFollowersWhenTheDriverMakesTheirEventsReady) {
  constexpr int kThreads = 8;
  Engine engine(kNoBackup);
  std::vector<Event> events(kThreads);
  std::atomic<int> next{0};
  auto const bell =
      std::make_shared<Bell>([&] { events[static_cast<std::size_t>(next++)].set(engine); });
  Attached const attached(engine, bell);
  std::vector<std::thread> threads;
  for (auto& event : events) {
    threads.emplace_back([&] { EXPECT_TRUE(engine.wait(event, Deadline::after(kBound))); });
  }
  for (int i = 0; i < kThreads; ++i) {
    bell->ring();
    ASSERT_TRUE(events[static_cast<std::size_t>(i)].ready() ||
                test::eventually([&] { return events[static_cast<std::size_t>(i)].ready(); }));
  }
  for (auto& thread : threads) thread.join();
}

TEST(Engine, NeverLeavesItsFollowersWithoutADriver) {
  // Each thread waits for its own events, which only a driver's handler sets.
  constexpr int kThreads = 4;
  constexpr int kRounds = 300;
  for (auto const spin : {0us, 20us}) {
    Engine engine(Engine::Options{.spin = spin, .tick = 1h});
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        std::atomic<Event*> waiting{nullptr};
        auto const bell = std::make_shared<Bell>([&] { waiting.load()->set(engine); });
        Attached const attached(engine, bell);
        for (int round = 0; round < kRounds; ++round) {
          Event event;
          waiting.store(&event);
          bell->ring();
          ASSERT_TRUE(engine.wait(event, Deadline::after(kBound)));
        }
      });
    }
    for (auto& thread : threads) thread.join();
  }
}

TEST(Engine, TakesOverOnItsOwnThreadWhenNobodyDrives) {
  Engine engine;
  std::atomic<int> rings{0};
  auto const bell = std::make_shared<Bell>([&] { ++rings; });
  Attached const attached(engine, bell);
  for (int i = 1; i <= 5; ++i) {  // the first makes it watch, the others find it watching
    bell->ring();
    ASSERT_TRUE(test::eventually([&] { return rings.load() == i; }));
  }
}

TEST(Engine, TakesOverAgainAfterSomebodyDrove) {
  Engine engine(Engine::Options{.spin = 0us, .tick = 1ms});
  std::atomic<int> rings{0};
  std::atomic<Event*> waiting{nullptr};
  auto const bell = std::make_shared<Bell>([&] {
    ++rings;
    if (auto* const event = waiting.exchange(nullptr)) event->set(engine);
  });
  Attached const attached(engine, bell);
  for (int round = 0; round < 100; ++round) {
    Event event;
    waiting.store(&event);
    bell->ring();
    ASSERT_TRUE(engine.wait(event, Deadline::after(kBound)));
    auto const seen = rings.load();
    bell->ring();
    ASSERT_TRUE(test::eventually([&] { return rings.load() > seen; }));
  }
}

TEST(Engine, TakesOverAgainAfterADriverBlockedForManyTicks) {
  Engine engine(Engine::Options{.spin = 0us, .tick = 1ms});
  std::atomic<int> rings{0};
  auto const bell = std::make_shared<Bell>([&] { ++rings; });
  Attached const attached(engine, bell);
  for (int round = 1; round <= 5; ++round) {
    Event never;
    EXPECT_FALSE(engine.wait(never, Deadline::after(30ms)));  // the backup parks meanwhile
    bell->ring();
    ASSERT_TRUE(test::eventually([&] { return rings.load() == round; }));
  }
}

TEST(Engine, GivesUpWhenTheDeadlinePasses) {
  Engine engine(kNoBackup);
  Event event;
  auto const begin = Clock::now();
  EXPECT_FALSE(engine.wait(event, Deadline::after(5ms)));
  EXPECT_GE(Clock::now() - begin, 5ms);
}

TEST(Engine, GivesUpAsAFollowerWhenTheDeadlinePasses) {
  Engine engine(kNoBackup);
  Event never;
  Signal driven;
  auto const bell = std::make_shared<Bell>([&] { driven.set(); });
  Attached const attached(engine, bell);
  Event end;
  std::thread driver([&] { EXPECT_TRUE(engine.wait(end, Deadline::after(kBound))); });
  bell->ring();
  ASSERT_TRUE(driven.wait());
  EXPECT_FALSE(engine.wait(never, Deadline::after(5ms)));
  end.set(engine);
  driver.join();
}

TEST(Engine, LetsNoHandlerWaitOnIt) {
  Engine engine(kNoBackup);
  Event never;
  Event event;
  bool refused = false;
  auto const bell = std::make_shared<Bell>([&] {
    try {
      engine.wait(never);
    } catch (std::logic_error const&) {
      refused = true;
    }
    event.set(engine);
  });
  Attached const attached(engine, bell);
  bell->ring();
  EXPECT_TRUE(engine.wait(event, Deadline::after(kBound)));
  EXPECT_TRUE(refused);
}

TEST(Engine, RunsLockedFunctionsOfManyThreadsOneAtATime) {
  Engine engine;
  int sum = 0;  // not atomic: the I/O lock guards it
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 100; ++round) engine.run_locked([&] { ++sum; });
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(sum, 800);
}

TEST(Engine, RunsALockedFunctionOfAHandlerAtOnce) {
  Engine engine(kNoBackup);
  Event event;
  bool ran = false;
  auto const bell = std::make_shared<Bell>([&] {
    engine.run_locked([&] { ran = true; });
    EXPECT_TRUE(ran);
    event.set(engine);
  });
  Attached const attached(engine, bell);
  bell->ring();
  EXPECT_TRUE(engine.wait(event, Deadline::after(kBound)));
}

TEST(Engine, LetsAHandlerUseAnotherEngine) {
  Engine engine(kNoBackup);
  Engine other;
  Event event;
  bool ran = false;
  auto const bell = std::make_shared<Bell>([&] {
    other.run_locked([] {});
    EXPECT_TRUE(engine.in_handler());
    engine.run_locked([&] { ran = true; });
    event.set(engine);
  });
  Attached const attached(engine, bell);
  bell->ring();
  EXPECT_TRUE(engine.wait(event, Deadline::after(kBound)));
  EXPECT_TRUE(ran);
  EXPECT_FALSE(engine.in_handler());
}

TEST(Engine, ThrowsWhatALockedFunctionThrowsToWhoAskedForIt) {
  Engine engine;
  EXPECT_THROW(engine.run_locked([] { throw std::runtime_error("no"); }), std::runtime_error);
  Event event;
  EXPECT_FALSE(engine.wait(event, Deadline::after(0s))) << "the lock is free again";
}

TEST(Engine, RefusesASourceThatEpollCannotWatch) {
  class File : public Source {  // a plain one, which epoll refuses
   public:
    [[nodiscard]] int descriptor() const noexcept override { return ::fileno(file_.get()); }
    bool on_readable() noexcept override { return false; }

   private:
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_{std::tmpfile(), &std::fclose};
  };
  Engine engine;
  EXPECT_THROW(engine.attach(std::make_shared<File>()), std::system_error);
}

TEST(Engine, CallsNoHandlerOnceDetachReturned) {
  Engine engine(Engine::Options{.spin = 20us, .tick = 1ms});
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  threads.emplace_back([&] {  // somebody who drives
    while (!stop.load()) {
      Event event;
      engine.wait(event, Deadline::after(1ms));
    }
  });
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        std::atomic<bool> attached{true};
        auto const bell = std::make_shared<Bell>([&] { EXPECT_TRUE(attached.load()); });
        engine.attach(bell);
        bell->ring();
        engine.detach(*bell);
        attached.store(false);
        bell->ring();
      }
    });
  }
  for (std::size_t i = 1; i < threads.size(); ++i) threads[i].join();
  stop.store(true);
  threads[0].join();
}

TEST(Engine, LetsAHandlerDetachItselfAndOthersThatRangToo) {
  Engine engine(kNoBackup);
  Event event;
  int runs = 0;
  std::vector<std::shared_ptr<Bell>> bells;
  for (int i = 0; i < 3; ++i) {
    bells.push_back(std::make_shared<Bell>([&] {
      ++runs;
      for (auto const& bell : bells) engine.detach(*bell);
      bells.clear();
      event.set(engine);
    }));
  }
  for (auto const& bell : bells) bell->ring();
  for (auto const& bell : std::vector(bells)) engine.attach(bell);
  if (runs == 0) {
    EXPECT_TRUE(engine.wait(event, Deadline::after(kBound)));
  }
  EXPECT_EQ(runs, 1);
}

/// A connection's stand-in that always has input.
class Flood : public Bell {
 public:
  Flood() { ring(); }
  [[nodiscard]] bool is_hot() const noexcept override { return true; }
  bool on_readable() noexcept override { return true; }
};

TEST(Engine, RunsTimersThoughOneConnectionNeverPauses) {
  Engine engine(Engine::Options{.spin = 20us, .tick = 1h});
  Attached const flood(engine, std::make_shared<Flood>());
  Event event;
  engine.timers().schedule(Clock::now() + 1ms, [&] { event.set(engine); });
  EXPECT_TRUE(engine.wait(event, Deadline::after(kBound)));
}

TEST(Engine, MindsTheDeadlineThoughOneConnectionNeverPauses) {
  Engine engine(Engine::Options{.spin = 20us, .tick = 1h});
  Attached const flood(engine, std::make_shared<Flood>());
  Event event;
  engine.timers().schedule(Clock::now() + kBound, [&] { event.set(engine); });
  EXPECT_FALSE(engine.wait(event, Deadline::after(5ms)));
}

/// Counts its flushes.
class Held : public Gatherer {
 public:
  std::atomic<int> flushes{0};
  void flush() noexcept override { ++flushes; }
};

TEST(Engine, FlushesWhatIsHeldBackWhoeverDrives) {
  Engine engine(Engine::Options{.spin = 0us, .tick = 1ms, .short_tick = 1ms});
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  threads.emplace_back(
      [&] {  // drives in short turns and blocks in between: all states of the backup
        for (unsigned round = 0; !stop.load(); ++round) {
          Event event;
          engine.wait(event, Deadline::after(std::chrono::microseconds(round % 7 * 500)));
          if (round % 5 == 0) engine.start_coalescing();
          if (round % 3 == 0) std::this_thread::yield();
        }
      });
  int held_back = 0;
  for (int round = 0; round < 400; ++round) {
    auto const source = std::make_shared<Held>();
    if (!engine.hold_back(source)) {
      std::this_thread::yield();
      continue;
    }
    ++held_back;
    ASSERT_TRUE(test::eventually([&] { return source->flushes.load() > 0; }, 10s)) << round;
  }
  stop.store(true);
  threads[0].join();
  EXPECT_GT(held_back, 0);
}

TEST(Engine, FlushesWhatIsHeldBackWhenNobodyDrives) {
  Engine engine(Engine::Options{.spin = 0us, .tick = 1ms});
  ASSERT_TRUE(test::eventually([&] {
    engine.start_coalescing();  // again and again, since it lasts for a few ticks only
    return engine.coalescing();
  }));
  for (int round = 0; round < 50; ++round) {
    auto const source = std::make_shared<Held>();
    if (!engine.hold_back(source)) continue;
    ASSERT_TRUE(test::eventually([&] { return source->flushes.load() > 0; }, 10s));
  }
}

TEST(Engine, HoldsNothingBackWhileItOnlyWatches) {
  Engine engine(Engine::Options{.spin = 0us, .tick = 1ms});
  auto const source = std::make_shared<Held>();
  EXPECT_TRUE(test::eventually([&] { return !engine.hold_back(source); }));
}

TEST(Engine, StopsCoalescingWhenTheBurstIsOver) {
  Engine engine(Engine::Options{.spin = 0us, .tick = 2ms});
  ASSERT_TRUE(test::eventually([&] {
    engine.start_coalescing();  // again and again, since it lasts for a few ticks only
    return engine.coalescing();
  }));
  EXPECT_TRUE(test::eventually([&] { return !engine.coalescing(); }));
}

}  // namespace
}  // namespace cohort
