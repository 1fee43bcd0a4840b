#include "core/event.h"

#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "core/engine.h"
#include "tests/support/waiting.h"

namespace cohort {
namespace {

using namespace std::chrono_literals;
using test::kBound;

TEST(Event, IsReadyFromTheTimeThatItIsSet) {
  Engine engine;
  Event event;
  EXPECT_FALSE(event.ready());
  event.set(engine);
  EXPECT_TRUE(event.ready());
}

TEST(Event, IsNotReadyAfterAReset) {
  Engine engine;
  Event event;
  event.set(engine);
  event.reset();
  EXPECT_FALSE(event.ready());
  event.set(engine);
  EXPECT_TRUE(event.ready());
}

TEST(Event, ReportsAWatchOnceToWhoeverSetsIt) {
  Engine engine;
  Event event;
  EXPECT_TRUE(event.watch());
  EXPECT_TRUE(event.set(engine));
  EXPECT_FALSE(event.set(engine)) << "it was told of already";
}

TEST(Event, ReportsNoWatchWhereThereIsNone) {
  Engine engine;
  Event event;
  EXPECT_FALSE(event.set(engine));
}

TEST(Event, RefusesAWatchOnceItIsReady) {
  Engine engine;
  Event event;
  event.set(engine);
  EXPECT_FALSE(event.watch());
}

TEST(Event, ReportsNothingAfterAWatchWasTakenBack) {
  Engine engine;
  Event event;
  EXPECT_TRUE(event.watch());
  EXPECT_TRUE(event.unwatch());
  EXPECT_FALSE(event.set(engine));
}

TEST(Event, SaysThatAWatchCannotBeTakenBackOnceItIsReady) {
  Engine engine;
  Event event;
  EXPECT_TRUE(event.watch());
  EXPECT_TRUE(event.set(engine));
  EXPECT_FALSE(event.unwatch());
}

TEST(Event, ReportsItsWatchExactlyOnceWhenManySetIt) {
  constexpr int kThreads = 4;
  Engine engine;
  for (int round = 0; round < 200; ++round) {
    Event event;
    ASSERT_TRUE(event.watch());
    std::atomic<int> reports{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] { reports += event.set(engine) ? 1 : 0; });
    }
    for (auto& thread : threads) thread.join();
    ASSERT_EQ(reports.load(), 1);
  }
}

TEST(Event, WakesAllThreadsThatWaitForIt) {
  Engine engine(Engine::Options{.spin = 0us});  // so that they sleep
  Event event;
  std::atomic<int> woken{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] { woken += engine.wait(event, Deadline::after(kBound)) ? 1 : 0; });
  }
  event.set(engine);
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(woken.load(), 4);
}

}  // namespace
}  // namespace cohort
