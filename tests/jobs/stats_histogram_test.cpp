#include <algorithm>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "jobs/stats/histogram.h"

namespace cohort::stats {
namespace {

constexpr double kMax = std::numeric_limits<double>::max();
constexpr double kTiny = std::numeric_limits<double>::denorm_min();
using Counts = std::vector<std::uint64_t>;

Counts count(std::vector<double> const& edges, std::vector<double> const& values) {
  Histogram histogram(edges);
  histogram.add(values);
  return histogram.counts();
}

/// The definition, one value at a time.
Counts count_by_definition(std::vector<double> const& edges, std::vector<double> const& values) {
  Counts counts(edges.size() - 1);
  for (double const value : values) {
    auto const after = std::upper_bound(edges.begin(), edges.end() - 1, value);
    ++counts[static_cast<std::size_t>(after - edges.begin()) - 1];
  }
  return counts;
}

TEST(HistogramEdges, FollowLinspace) {
  EXPECT_EQ(histogram_edges(0, 1, 4), (std::vector<double>{0, 0.25, 0.5, 0.75, 1}));
  auto const edges = histogram_edges(-0.3, 0.7, 10);
  double const step = (0.7 - -0.3) / 10;
  for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(edges[i], static_cast<double>(i) * step + -0.3);
  EXPECT_EQ(edges.back(), 0.7);
}

TEST(HistogramEdges, WidenARangeWithoutWidth) {
  EXPECT_EQ(histogram_edges(3, 3, 2), (std::vector<double>{2.5, 3, 3.5}));
}

TEST(HistogramEdges, StayFiniteWhereTheRangeOverflows) {
  EXPECT_EQ(histogram_edges(-kMax, kMax, 2), (std::vector<double>{-kMax, 0, kMax}));
}

TEST(Histogram, ClosesOnlyTheLastBinAtTheRight) {
  EXPECT_EQ(count({0, 1, 2}, {0, 1, 2}), (Counts{1, 2}));
}

TEST(Histogram, AgreesWithTheDefinitionOnEdgesAndBetween) {
  std::mt19937_64 random(3);
  for (auto const& [low, high] : {std::pair{0.0, 1.0},
                                  {-0.3, 0.7},
                                  {1e9, 1e9 + 1e-5},
                                  {-1e300, 3e307},
                                  {-kMax, kMax},
                                  {0.0, 60 * kTiny},
                                  {0.1, 0.1 + 1e-16}}) {
    for (std::size_t const bins : {1, 7, 50, 5000}) {
      auto const edges = histogram_edges(low, high, bins);
      auto values = edges;
      for (int i = 0; i < 3000; ++i) {
        double const t = std::uniform_real_distribution(0.0, 1.0)(random);
        values.push_back(std::clamp(low * (1 - t) + high * t, low, high));
      }
      EXPECT_EQ(count(edges, values), count_by_definition(edges, values)) << low << ' ' << bins;
    }
  }
}

TEST(Histogram, TakesValuesOutsideIntoTheNearestBin) {
  EXPECT_EQ(count({0, 1, 2}, {-kMax, 5, kMax}), (Counts{1, 2}));
}

}  // namespace
}  // namespace cohort::stats
