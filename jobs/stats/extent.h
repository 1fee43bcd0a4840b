// The first pass: how many values, between which bounds, their sum, and their spread.
// The figures of an Extent combine to the same result in any order, bit by bit: the sum is exact.
// Moments have to be combined in one order: MomentsTree.
#pragma once

#include <cstdint>

#include "jobs/stats/exact_sum.h"
#include "jobs/stats/moments.h"
#include "jobs/stats/number.h"

namespace cohort::stats {

struct Extent {
  std::uint64_t count = 0;      ///< finite values
  std::uint64_t nonfinite = 0;  ///< NaN, +inf, -inf
  std::uint64_t masked = 0;     ///< left out, as the dataset's attributes ask
  Number min;                   ///< meaningless while count == 0, as is max; never -0.0
  Number max;
  ExactSum sum;

  bool operator==(Extent const&) const = default;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& count& nonfinite& masked& min& max& sum;
  }
};

/// `into` takes up `other`, of the same dataset.
void merge(Extent& into, Extent const& other);

/// What the first pass finds in a part of a dataset.
struct FirstPass {
  Extent extent;
  Moments moments;

  bool operator==(FirstPass const&) const = default;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& extent& moments;
  }

  /// Elements in their order, each `times` times.
  void add(Elements elements, std::uint64_t times = 1);
};

}  // namespace cohort::stats
