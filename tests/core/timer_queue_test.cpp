#include "core/timer_queue.h"

#include <memory>
#include <vector>

#include <gtest/gtest.h>
#include <poll.h>

#include "tests/support/waiting.h"

namespace cohort {
namespace {

using namespace std::chrono_literals;

/// Waits until the descriptor rings, then lets the timers run.
bool ring_and_run(TimerQueue& timers, Clock::duration bound = test::kBound) {
  pollfd wanted{timers.descriptor(), POLLIN, 0};
  if (::poll(&wanted, 1, Deadline::after(bound).poll_timeout()) != 1) return false;
  return timers.on_readable();
}

bool rings_now(TimerQueue& timers) {
  pollfd wanted{timers.descriptor(), POLLIN, 0};
  return ::poll(&wanted, 1, 0) == 1;
}

TEST(TimerQueue, RunsAFunctionOnceAndNotBeforeItsTime) {
  TimerQueue timers;
  auto const when = Clock::now() + 5ms;
  int runs = 0;
  Clock::time_point ran{};
  timers.schedule(when, [&] {
    ++runs;
    ran = Clock::now();
  });
  ASSERT_TRUE(ring_and_run(timers));
  EXPECT_EQ(runs, 1);
  EXPECT_GE(ran, when);
  EXPECT_FALSE(rings_now(timers));
}

TEST(TimerQueue, RunsFunctionsInTheOrderOfTheirTimes) {
  TimerQueue timers;
  auto const now = Clock::now();
  std::vector<int> order;
  timers.schedule(now + 3ms, [&] { order.push_back(3); });
  timers.schedule(now + 1ms, [&] { order.push_back(1); });
  timers.schedule(now + 2ms, [&] { order.push_back(2); });
  while (order.size() < 3) ASSERT_TRUE(ring_and_run(timers));
  EXPECT_EQ(order, (std::vector{1, 2, 3}));
}

TEST(TimerQueue, RunsFunctionsOfOneTimeInTheOrderOfScheduling) {
  TimerQueue timers;
  auto const when = Clock::now() + 1ms;
  std::vector<int> order;
  for (int i = 0; i < 5; ++i) timers.schedule(when, [&order, i] { order.push_back(i); });
  while (order.size() < 5) ASSERT_TRUE(ring_and_run(timers));
  EXPECT_EQ(order, (std::vector{0, 1, 2, 3, 4}));
}

TEST(TimerQueue, RunsSoonWhatIsDueAlready) {
  TimerQueue timers;
  bool ran = false;
  timers.schedule(Clock::now() - 1h, [&] { ran = true; });
  ASSERT_TRUE(ring_and_run(timers));
  EXPECT_TRUE(ran);
}

TEST(TimerQueue, RunsSoonWhatIsDueSinceTheEpoch) {
  TimerQueue timers;
  bool ran = false;
  timers.schedule(Clock::time_point{}, [&] { ran = true; });
  ASSERT_TRUE(ring_and_run(timers, 2s));
  EXPECT_TRUE(ran);
}

TEST(TimerQueue, NeverRunsWhatWasCancelled) {
  TimerQueue timers;
  bool cancelled_ran = false;
  bool other_ran = false;
  auto const id = timers.schedule(Clock::now() + 1ms, [&] { cancelled_ran = true; });
  timers.schedule(Clock::now() + 2ms, [&] { other_ran = true; });
  timers.cancel(id);
  timers.cancel(id);  // once more does no harm
  while (!other_ran) ASSERT_TRUE(ring_and_run(timers));
  EXPECT_FALSE(cancelled_ran);
}

TEST(TimerQueue, LetsATimerCancelAnotherThatIsDueAtTheSameTime) {
  TimerQueue timers;
  auto const when = Clock::now() - 1ms;
  bool second_ran = false;
  TimerId second{};
  timers.schedule(when, [&] { timers.cancel(second); });
  second = timers.schedule(when, [&] { second_ran = true; });
  ASSERT_TRUE(ring_and_run(timers));
  EXPECT_FALSE(second_ran);
}

TEST(TimerQueue, LetsATimerScheduleItselfAnew) {
  TimerQueue timers;
  int runs = 0;
  std::function<void()> again = [&] {
    if (++runs < 3) timers.schedule(Clock::now(), again);
  };
  timers.schedule(Clock::now(), again);
  while (runs < 3) ASSERT_TRUE(ring_and_run(timers));
  EXPECT_EQ(runs, 3);
}

TEST(TimerQueue, RingsForAnEarlierTimerThatComesLater) {
  TimerQueue timers;
  bool late_ran = false;
  bool early_ran = false;
  timers.schedule(Clock::now() + 1h, [&] { late_ran = true; });
  timers.schedule(Clock::now() + 1ms, [&] { early_ran = true; });
  ASSERT_TRUE(ring_and_run(timers));
  EXPECT_TRUE(early_ran);
  EXPECT_FALSE(late_ran);
  EXPECT_FALSE(rings_now(timers));
}

TEST(TimerQueue, GivesUpWhatACancelledFunctionHolds) {
  TimerQueue timers;
  auto const held = std::make_shared<int>(1);
  auto const id = timers.schedule(Clock::now() + 1h, [held] {});
  EXPECT_EQ(held.use_count(), 2);
  timers.cancel(id);
  EXPECT_EQ(held.use_count(), 1);
}

TEST(TimerQueue, HasNothingToSayBeforeItsTime) {
  TimerQueue timers;
  timers.schedule(Clock::now() + 1h, [] {});
  EXPECT_FALSE(timers.on_readable());
}

}  // namespace
}  // namespace cohort
