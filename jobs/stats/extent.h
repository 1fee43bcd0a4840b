// The first pass: how many values, between which bounds, and their sum.
// Partials combine to the same result in any order, bit by bit: the sum is exact.
#pragma once

#include <cstdint>

#include "jobs/stats/block_reader.h"
#include "jobs/stats/exact_sum.h"
#include "jobs/stats/number.h"
#include "jobs/stats/plan.h"

namespace cohort::stats {

struct Extent {
  std::uint64_t count = 0;      ///< finite values
  std::uint64_t nonfinite = 0;  ///< NaN, +inf, -inf
  Number min;                   ///< meaningless while count == 0, as is max; never -0.0
  Number max;
  ExactSum sum;

  bool operator==(Extent const&) const = default;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& count& nonfinite& min& max& sum;
  }
};

/// Throws std::runtime_error, one line, when the block cannot be read.
[[nodiscard]] Extent scan_extent(BlockReader& reader, Block const& block);
[[nodiscard]] Extent scan_extent(Elements elements);

/// `into` takes up `other`, of the same dataset.
void merge(Extent& into, Extent const& other);

}  // namespace cohort::stats
