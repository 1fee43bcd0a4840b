#include <cmath>
#include <limits>
#include <random>
#include <sstream>
#include <vector>

#include <boost/archive/binary_iarchive.hpp>
#include <boost/archive/binary_oarchive.hpp>
#include <boost/serialization/string.hpp>
#include <boost/serialization/vector.hpp>
#include <gtest/gtest.h>

#include "jobs/stats/extent.h"
#include "jobs/stats/spread.h"
#include "jobs/stats/summary.h"

namespace cohort::stats {
namespace {

constexpr double kMax = std::numeric_limits<double>::max();
constexpr double kTiny = std::numeric_limits<double>::denorm_min();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <class T>
Summary summary_of(std::vector<T> const& values, std::uint32_t bins = 10) {
  Elements const elements = std::span<T const>(values);
  Extent const extent = scan_extent(elements);
  if (extent.count == 0) return finish_empty({}, extent, bins);
  SpreadInput const input = make_spread_input(extent, bins);
  return finish({}, extent, input, scan_spread(elements, input));
}

TEST(Scan, CountsNonFiniteValuesApart) {
  Summary const summary = summary_of<double>({1, kNan, 3, kInfinity, -kInfinity});
  EXPECT_EQ(summary.count, 2u);
  EXPECT_EQ(summary.nonfinite, 3u);
  EXPECT_EQ(summary.mean, 2);
  EXPECT_EQ(summary.std_dev, 1);
}

TEST(Scan, GivesZeroCountsWithoutFiniteValues) {
  Summary const summary = summary_of<double>({kNan, kInfinity});
  EXPECT_EQ(summary.count, 0u);
  EXPECT_EQ(summary.counts, std::vector<std::uint64_t>(10));
  EXPECT_EQ(summary.edges.size(), 11u);
}

TEST(Scan, HasNoSpreadWhereAllValuesAreEqual) {
  for (double const value : {0.1, 1e300, kMax, -kMax, kTiny, 0.0}) {
    Summary const summary = summary_of(std::vector<double>(12345, value));
    EXPECT_EQ(summary.mean, value);
    EXPECT_EQ(summary.std_dev, 0);
  }
  EXPECT_EQ(summary_of(std::vector<float>(777, 0.1F)).std_dev, 0);
}

TEST(Scan, NeitherOverflowsNorUnderflows) {
  EXPECT_EQ(summary_of<double>({kMax, -kMax}).std_dev, kMax);
  EXPECT_EQ(summary_of<double>({1e308, -1e308}).std_dev, 1e308);
  EXPECT_EQ(summary_of<double>({1e-310, 3e-310}).std_dev, 1e-310);
  EXPECT_EQ(summary_of<double>({0, 2 * kTiny}).std_dev, kTiny);
}

TEST(Scan, SeesSmallDeviationsOnALargeOffset) {
  std::vector<double> values;
  for (int i = 0; i < 9000; ++i) values.push_back(1e15 + i % 3);
  EXPECT_NEAR(summary_of(values).std_dev, std::sqrt(2.0 / 3), 1e-15);
}

TEST(Scan, KeepsIntegersExact) {
  std::int64_t const big = std::int64_t{1} << 62;
  Summary const summary = summary_of<std::int64_t>({big, big + 1, big + 2});
  EXPECT_EQ(summary.min, Number(big));
  EXPECT_EQ(summary.max, Number(big + 2));
  EXPECT_NEAR(summary.std_dev, std::sqrt(2.0 / 3), 1e-15);
}

TEST(Scan, SpansTheWholeRangeOfIntegers) {
  constexpr auto kLow = std::numeric_limits<std::int64_t>::min();
  constexpr auto kHigh = std::numeric_limits<std::int64_t>::max();
  Summary const extremes = summary_of<std::int64_t>({kLow, kHigh});
  EXPECT_EQ(extremes.mean, -0.5);
  EXPECT_EQ(extremes.std_dev, 0x1p63);
  EXPECT_NEAR(summary_of<std::int64_t>({kLow, kLow + 2}).std_dev, 1, 1e-15);
  EXPECT_NEAR(summary_of<std::int64_t>({kHigh, kHigh - 2}).std_dev, 1, 1e-15);
  constexpr auto kTop = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(summary_of<std::uint64_t>({0, kTop}).std_dev, 0x1p63);
  EXPECT_NEAR(summary_of<std::uint64_t>({kTop, kTop - 2}).std_dev, 1, 1e-15);
}

TEST(Scan, GivesTheSameBitsHoweverPartialsAreCombined) {
  std::mt19937_64 random(4);
  std::vector<double> values(10000);
  for (double& value : values) value = std::normal_distribution(1e6, 1e3)(random);
  std::vector<Elements> blocks;
  for (std::size_t i = 0; i < 10; ++i) {
    blocks.emplace_back(std::span<double const>(values).subspan(1000 * i, 1000));
  }
  Extent forward;
  Extent backward;
  for (std::size_t i = 0; i < 10; ++i) {
    merge(forward, scan_extent(blocks[i]));
    merge(backward, scan_extent(blocks[9 - i]));
  }
  EXPECT_EQ(forward, backward);
  SpreadInput const input = make_spread_input(forward, 50);
  Spread first;
  Spread second;
  for (std::size_t i = 0; i < 10; ++i) {
    merge(first, scan_spread(blocks[i], input));
    merge(second, scan_spread(blocks[9 - i], input));
  }
  EXPECT_EQ(first, second);
}

TEST(Scan, GivesTheSameZeroHoweverPartialsAreCombined) {
  std::vector<double> const negative{-0.0, -0.0};
  std::vector<double> const positive{0.0};
  Extent const a = scan_extent(std::span(negative));
  Extent const b = scan_extent(std::span(positive));
  Extent forward = a;
  merge(forward, b);
  Extent backward = b;
  merge(backward, a);
  EXPECT_EQ(forward, backward);
  EXPECT_FALSE(std::signbit(forward.min.as_double()));
  EXPECT_FALSE(std::signbit(forward.max.as_double()));
}

TEST(Scan, RefusesASecondPassOverOtherData) {
  std::vector<double> const values{1, 2, 3};
  Extent const extent = scan_extent(std::span<double const>(values));
  SpreadInput const input = make_spread_input(extent, 5);
  Spread const spread = scan_spread(std::span<double const>(values).first(2), input);
  EXPECT_THROW((void)finish({}, extent, input, spread), std::runtime_error);
}

template <class T>
T round_trip(T const& value) {
  std::stringstream stream;
  boost::archive::binary_oarchive(stream) << value;
  T copy;
  boost::archive::binary_iarchive(stream) >> copy;
  return copy;
}

TEST(Scan, PartialsAndBlocksSurviveSerialization) {
  std::vector<std::int64_t> const values{-5, 7, 9};
  Extent const extent = scan_extent(std::span<std::int64_t const>(values));
  SpreadInput const input = make_spread_input(extent, 5);
  Spread const spread = scan_spread(std::span<std::int64_t const>(values), input);
  Block const block{"f:1.h5", "/g/x", ElementKind::kUint64, {1, 2}, {3, 4}};
  EXPECT_EQ(round_trip(extent), extent);
  EXPECT_EQ(round_trip(input), input);
  EXPECT_EQ(round_trip(spread), spread);
  EXPECT_EQ(round_trip(block), block);
}

}  // namespace
}  // namespace cohort::stats
