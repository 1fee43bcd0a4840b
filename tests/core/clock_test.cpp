#include "core/clock.h"

#include <chrono>

#include <gtest/gtest.h>

namespace cohort {
namespace {

using namespace std::chrono_literals;

TEST(Deadline, NeverDoesNotPass) {
  EXPECT_TRUE(Deadline::never().is_never());
  EXPECT_FALSE(Deadline::never().passed());
  EXPECT_EQ(Deadline::never().poll_timeout(), -1);
  EXPECT_EQ(Deadline::never().left(), 24h);
}

TEST(Deadline, AfterZeroHasPassedAndLeavesNothing) {
  auto const deadline = Deadline::after(0s);
  EXPECT_TRUE(deadline.passed());
  EXPECT_EQ(deadline.left(), Clock::duration::zero());
  EXPECT_EQ(deadline.poll_timeout(), 0);
}

TEST(Deadline, ThatLiesInThePastLeavesNothingRatherThanANegativeTime) {
  Deadline const deadline(Clock::now() - 1h);
  EXPECT_TRUE(deadline.passed());
  EXPECT_EQ(deadline.left(), Clock::duration::zero());
  EXPECT_EQ(deadline.poll_timeout(), 0);
}

TEST(Deadline, AfterALongTimeHasNotPassed) {
  auto const deadline = Deadline::after(1h);
  EXPECT_FALSE(deadline.passed());
  EXPECT_FALSE(deadline.is_never());
  EXPECT_GT(deadline.left(), 59min);
  EXPECT_LE(deadline.left(), 1h);
}

TEST(Deadline, AfterTheLongestDurationIsNever) {
  EXPECT_TRUE(Deadline::after(Clock::duration::max()).is_never());
}

TEST(Deadline, RoundsThePollTimeoutUpSoThatPollDoesNotReturnTooEarly) {
  auto const deadline = Deadline::after(20s + 1ns);
  auto const timeout = deadline.poll_timeout();
  EXPECT_GT(timeout, 10'000);
  EXPECT_LE(timeout, 20'001);
}

TEST(Deadline, CapsThePollTimeoutAtAnHour) {
  EXPECT_EQ(Deadline::after(1000h).poll_timeout(), 3'600'000);
}

}  // namespace
}  // namespace cohort
