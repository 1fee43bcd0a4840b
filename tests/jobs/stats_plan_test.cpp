#include <algorithm>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "jobs/stats/plan.h"

namespace cohort::stats {
namespace {

using Shape = std::vector<std::uint64_t>;

DatasetInfo info_of(Shape shape, Shape chunk = {}, bool filtered = false) {
  DatasetInfo info;
  info.file = "f.h5";
  info.dataset = "/x";
  info.shape = std::move(shape);
  info.chunk = std::move(chunk);
  info.filtered = filtered;
  return info;
}

std::uint64_t volume(Shape const& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::uint64_t{1}, std::multiplies<>());
}

/// Marks every element of every block, and expects each element once.
void expect_cover(DatasetInfo const& info, BlockLimits limits) {
  BlockPlan const plan(info, limits);
  std::vector<int> seen(volume(info.shape));
  for (std::uint64_t i = 0; i < plan.size(); ++i) {
    Block const block = plan[i];
    for (std::uint64_t k = 0; k < volume(block.count); ++k) {
      std::uint64_t rest = k;
      std::uint64_t at = 0;
      std::uint64_t stride = 1;
      for (std::size_t d = block.count.size(); d-- > 0;) {
        at += (block.first[d] + rest % block.count[d]) * stride;
        rest /= block.count[d];
        stride *= info.shape[d];
      }
      ASSERT_LT(at, seen.size());
      ++seen[at];
    }
  }
  EXPECT_TRUE(std::all_of(seen.begin(), seen.end(), [](int times) { return times == 1; }));
}

TEST(BlockPlan, CoversEachElementOnce) {
  BlockLimits const small{.target = 800, .chunk = 1600};  // 100 and 200 doubles
  for (Shape const& shape :
       {Shape{1}, Shape{1001}, Shape{7, 301}, Shape{13, 5, 17}, Shape{300, 1, 2}}) {
    expect_cover(info_of(shape), small);
    for (std::uint64_t chunk : {1, 3, 16, 400}) {
      expect_cover(info_of(shape, Shape(shape.size(), chunk)), small);
      expect_cover(info_of(shape, Shape(shape.size(), chunk), true), small);
    }
  }
}

TEST(BlockPlan, KeepsBlocksWithinTheirLimit) {
  for (Shape const& shape : {Shape{10'000'000}, Shape{3, 5'000'000}, Shape{1000, 1000, 50}}) {
    BlockPlan const plan(info_of(shape));
    EXPECT_LE(volume(plan.tile()) * 8, 4u << 20);
    EXPECT_GE(volume(plan.tile()) * 8, 2u << 20);
  }
}

TEST(BlockPlan, CutsARowThatIsTooLong) {
  BlockPlan const plan(info_of({3, 5'000'000}));
  EXPECT_EQ(plan.tile()[0], 1u);
  EXPECT_EQ(plan.size(), 3u * 10);
}

TEST(BlockPlan, AlignsBlocksWithChunks) {
  BlockPlan const plan(info_of({4000, 4000}, {100, 130}, true));
  EXPECT_EQ(plan.tile()[0] % 100, 0u);
  EXPECT_EQ(plan.tile()[1] % 130, 0u);
  EXPECT_LE(volume(plan.tile()) * 8, 8u << 20);
}

TEST(BlockPlan, CutsAHugeChunkOnlyWithoutFilters) {
  Shape const shape{4'000'000};
  Shape const chunk{2'000'000};
  EXPECT_LE(BlockPlan(info_of(shape, chunk, false)).tile()[0] * 8, 4u << 20);
  EXPECT_EQ(BlockPlan(info_of(shape, chunk, true)).tile()[0], 2'000'000u);
}

TEST(BlockPlan, HasOneBlockForAScalarAndNoneForNothing) {
  BlockPlan const scalar(info_of({}));
  ASSERT_EQ(scalar.size(), 1u);
  EXPECT_TRUE(scalar[0].first.empty());
  EXPECT_EQ(BlockPlan(info_of({0})).size(), 0u);
  EXPECT_EQ(BlockPlan(info_of({5, 0, 3}, {1, 1, 1})).size(), 0u);
}

TEST(BlockPlan, CountsBlocksOfAnEnormousDatasetWithoutStoringThem) {
  BlockPlan const plan(info_of({std::uint64_t{1} << 50}));
  EXPECT_EQ(plan.size(), std::uint64_t{1} << 31);
  EXPECT_EQ(plan[plan.size() - 1].first[0], (std::uint64_t{1} << 50) - (1u << 19));
}

}  // namespace
}  // namespace cohort::stats
