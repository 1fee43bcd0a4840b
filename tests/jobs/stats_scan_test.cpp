#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <sstream>
#include <vector>

#include <boost/archive/binary_iarchive.hpp>
#include <boost/archive/binary_oarchive.hpp>
#include <boost/serialization/string.hpp>
#include <boost/serialization/vector.hpp>
#include <gtest/gtest.h>

#include "jobs/stats/extent.h"
#include "jobs/stats/histogram.h"
#include "jobs/stats/moments.h"
#include "jobs/stats/plan.h"
#include "jobs/stats/summary.h"

namespace cohort::stats {
namespace {

constexpr double kMax = std::numeric_limits<double>::max();
constexpr double kTiny = std::numeric_limits<double>::denorm_min();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

FirstPass scan(Elements elements) {
  FirstPass found;
  found.add(elements);
  return found;
}

std::vector<std::uint64_t> count(Elements elements, Extent const& extent, std::uint32_t bins) {
  Histogram histogram(edges_of(extent, bins));
  histogram.add(elements, 1);
  return histogram.counts();
}

template <class T>
Summary summary_of(std::vector<T> const& values, std::uint32_t bins = 10) {
  Elements const elements = std::span<T const>(values);
  FirstPass const found = scan(elements);
  return finish({}, found.extent, found.moments, bins, count(elements, found.extent, bins));
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

TEST(Scan, GivesTheSameBitsInWhateverOrderPartsCome) {
  std::mt19937_64 random(4);
  std::vector<double> values(11000);
  for (double& value : values) value = std::normal_distribution(1e6, 1e3)(random);
  std::vector<FirstPass> parts;
  for (std::size_t i = 0; i < 11; ++i) {
    parts.push_back(scan(std::span<double const>(values).subspan(1000 * i, 1000)));
  }
  std::vector<std::size_t> order(parts.size());
  std::iota(order.begin(), order.end(), 0);
  Extent extent;
  MomentsTree tree;
  for (std::size_t const i : order) {
    merge(extent, parts[i].extent);
    tree.add(i, parts[i].moments);
  }
  for (int turn = 0; turn < 20; ++turn) {
    std::shuffle(order.begin(), order.end(), random);
    Extent other;
    MomentsTree other_tree;
    for (std::size_t const i : order) {
      merge(other, parts[i].extent);
      other_tree.add(i, parts[i].moments);
    }
    EXPECT_EQ(other, extent);
    EXPECT_EQ(other_tree.total(), tree.total());
  }
  EXPECT_NEAR(standard_deviation(tree.total()), summary_of(values).std_dev, 1e-9);
}

TEST(Scan, GivesTheSameZeroHoweverPartialsAreCombined) {
  std::vector<double> const negative{-0.0, -0.0};
  std::vector<double> const positive{0.0};
  Extent const a = scan(std::span(negative)).extent;
  Extent const b = scan(std::span(positive)).extent;
  Extent forward = a;
  merge(forward, b);
  Extent backward = b;
  merge(backward, a);
  EXPECT_EQ(forward, backward);
  EXPECT_FALSE(std::signbit(forward.min.as_double()));
  EXPECT_FALSE(std::signbit(forward.max.as_double()));
}

TEST(Scan, CountsARepeatedElementAsManyTimesAsItOccurs) {
  auto const expect_same = []<class T>(T value) {
    std::vector<T> many{7, 9};
    many.insert(many.end(), 5000, value);
    FirstPass few = scan(std::span<T const>(many).first(2));
    std::vector<T> const one{value};
    few.add(std::span<T const>(one), 5000);
    FirstPass const all = scan(std::span<T const>(many));
    EXPECT_EQ(few.extent, all.extent);
    EXPECT_NEAR(standard_deviation(few.moments), standard_deviation(all.moments),
                1e-13 * standard_deviation(all.moments));
    Histogram counted(edges_of(all.extent, 5));
    counted.add(std::span<T const>(many).first(2), 1);
    counted.add(std::span<T const>(one), 5000);
    EXPECT_EQ(counted.counts(), count(std::span<T const>(many), all.extent, 5));
  };
  expect_same(2.5);
  expect_same(-0.1F);
  expect_same(std::int64_t{-5});
  expect_same(std::numeric_limits<std::uint64_t>::max());
  FirstPass infinite;
  std::vector<double> const infinity{kInfinity};
  infinite.add(std::span<double const>(infinity), 6);
  EXPECT_EQ(infinite.extent.nonfinite, 6u);
  EXPECT_EQ(infinite.extent.count, 0u);
}

TEST(Scan, KeepsTheMeanOfAsManyElementsAsCanBeCounted) {
  constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();
  for (double const value : {0.1, -1e300, kTiny, 0.0}) {
    FirstPass found;
    std::vector<double> const one{value};
    found.add(std::span<double const>(one), kMost);
    Summary const summary = finish({}, found.extent, found.moments, 0, {});
    EXPECT_EQ(summary.count, kMost);
    EXPECT_EQ(summary.mean, value);
    EXPECT_EQ(summary.std_dev, 0);
  }
  FirstPass found;
  std::vector<std::uint64_t> const one{kMost};
  found.add(std::span<std::uint64_t const>(one), kMost);
  EXPECT_EQ(finish({}, found.extent, found.moments, 0, {}).mean, 0x1p64);
}

TEST(Scan, RefusesASecondPassOverOtherData) {
  std::vector<double> const values{1, 2, 3};
  Elements const elements = std::span<double const>(values);
  FirstPass const found = scan(elements);
  auto const fewer = count(std::span<double const>(values).first(2), found.extent, 5);
  EXPECT_THROW((void)finish({}, found.extent, found.moments, 5, fewer), std::runtime_error);
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
  FirstPass const found = scan(std::span<std::int64_t const>(values));
  BinsInput const input{found.extent.min, found.extent.max, 5};
  Block const block{"f:1.h5", "/g/x", ElementKind::kUint64, {1, 2}, {3, 4}, 5, {}};
  EXPECT_EQ(round_trip(found), found);
  EXPECT_EQ(round_trip(input), input);
  EXPECT_EQ(round_trip(block), block);
}

}  // namespace
}  // namespace cohort::stats
