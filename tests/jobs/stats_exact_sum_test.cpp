#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "jobs/stats/exact_sum.h"

namespace cohort::stats {
namespace {

constexpr double kMax = std::numeric_limits<double>::max();
constexpr double kTiny = std::numeric_limits<double>::denorm_min();

ExactSum sum_of(std::vector<double> const& terms) {
  ExactSum sum;
  sum.add(terms);
  return sum;
}

double value(ExactSum const& sum) { return sum.divided_by(1).head; }

TEST(ExactSum, IsZeroWithoutTerms) { EXPECT_EQ(value(ExactSum{}), 0); }

TEST(ExactSum, KeepsWhatCancellationLeavesOver) {
  EXPECT_EQ(value(sum_of({1e16, 1, -1e16})), 1);
  EXPECT_EQ(value(sum_of({kMax, 1e-300, -kMax})), 1e-300);
  EXPECT_EQ(value(sum_of({kMax, kTiny, -kMax})), kTiny);
  EXPECT_EQ(value(sum_of({-kMax, -kTiny, kMax})), -kTiny);
}

TEST(ExactSum, DividesSumsBeyondDouble) {
  std::vector<double> const terms(5000, kMax);
  EXPECT_EQ(sum_of(terms).divided_by(terms.size()).head, kMax);
  EXPECT_EQ(sum_of(std::vector<double>(3000, -1e308)).divided_by(3000).head, -1e308);
}

TEST(ExactSum, GivesBackEachDouble) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20000; ++i) {
    double const term = std::bit_cast<double>(random());
    if (!std::isfinite(term)) continue;
    ASSERT_EQ(value(sum_of({term})), term);
  }
}

TEST(ExactSum, RoundsQuotientsToNearestWithTheRestInTheTail) {
  auto const third = sum_of({1}).divided_by(3);
  EXPECT_EQ(third.head, 1.0 / 3);
  EXPECT_EQ(third.tail, std::fma(-third.head, 3, 1.0) / 3);
  EXPECT_EQ(sum_of({3 * kTiny}).divided_by(2).head, 2 * kTiny);  // a tie: to even
  EXPECT_EQ(sum_of({kTiny}).divided_by(2).head, 0);
  EXPECT_EQ(sum_of({2 * kTiny}).divided_by(3).head, kTiny);
  EXPECT_EQ(sum_of({-2 * kTiny}).divided_by(3).head, -kTiny);
}

TEST(ExactSum, DoesNotDependOnOrderOrGrouping) {
  std::mt19937_64 random(2);
  std::vector<double> terms(10007);
  for (double& term : terms) {
    term = std::ldexp(std::uniform_real_distribution(-1.0, 1.0)(random),
                      std::uniform_int_distribution(-1000, 1000)(random));
  }
  ExactSum const whole = sum_of(terms);
  std::shuffle(terms.begin(), terms.end(), random);
  ExactSum parts;
  for (std::size_t first = 0; first < terms.size(); first += 999) {
    ExactSum part;
    part.add(std::span(terms).subspan(first, std::min<std::size_t>(999, terms.size() - first)));
    parts.add(part);
  }
  EXPECT_EQ(parts, whole);
}

TEST(ExactSum, AddsIntegersOf128Bits) {
  ExactSum sum;
  Int128 const big = static_cast<Int128>(1) << 100;
  sum.add(big + 1);
  EXPECT_EQ(value(sum), 0x1p100);
  EXPECT_EQ(sum.divided_by(1).tail, 1);
  sum.add(-big);
  EXPECT_EQ(value(sum), 1);
  sum.add(static_cast<Int128>(-3));
  EXPECT_EQ(value(sum), -2);
}

TEST(ExactSum, IsTheSameWhetherTermsComeInRunsOrSingly) {
  std::mt19937_64 random(9);
  for (double const spread : {0.0, 1.0, 8.0, 20.0, 40.0, 300.0}) {  // powers of two and more
    for (std::size_t const size : {32u, 33u, 1000u, 1024u, 3000u}) {
      std::vector<double> terms(size);
      std::uniform_real_distribution exponent(-spread, spread);
      for (double& term : terms) {
        term = std::normal_distribution()(random) * std::exp2(exponent(random));
      }
      terms[7] = 0;
      ExactSum singly;
      for (double const term : terms) singly.add(term);
      EXPECT_EQ(sum_of(terms), singly) << size << " terms, 2^" << spread;
      for (double& term : terms) term = static_cast<float>(term);
      ExactSum floats;
      for (double const term : terms) floats.add(term);
      EXPECT_EQ(sum_of(terms), floats) << size << " floats, 2^" << spread;
    }
  }
  EXPECT_EQ(value(sum_of(std::vector<double>(1024, kTiny))), 1024 * kTiny);
  EXPECT_EQ(sum_of(std::vector<double>(2048, -kMax)).divided_by(2048).head, -kMax);
}

TEST(ExactSum, ARepeatedTermIsAddedAsOftenAsItOccurs) {
  for (double const term : {0.1, -3e300, 5 * kTiny, -0.0}) {
    ExactSum one_by_one;
    for (int i = 0; i < 1000; ++i) one_by_one.add(term);
    ExactSum at_once;
    at_once.add_repeated(term, 1000);
    EXPECT_EQ(at_once, one_by_one);
  }
  constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();
  ExactSum most;
  most.add_repeated(kMost, kMost);
  EXPECT_EQ(most.divided_by(kMost).head, 0x1p64);
  ExactSum lowest;
  lowest.add_repeated(std::numeric_limits<std::int64_t>::min(), kMost);
  EXPECT_EQ(lowest.divided_by(kMost).head, -0x1p63);
}

}  // namespace
}  // namespace cohort::stats
