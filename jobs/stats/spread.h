// The second pass: squared deviations from the mean, which the first pass found, and the histogram.
// A block gives the same partial wherever it is scanned, and partials combine in any order, bit by
// bit: their sums are exact.
#pragma once

#include <cstdint>
#include <vector>

#include "jobs/stats/block_reader.h"
#include "jobs/stats/exact_sum.h"
#include "jobs/stats/extent.h"
#include "jobs/stats/number.h"

namespace cohort::stats {

/// What a worker needs to know of the whole dataset. Its mean is pivot + rest: for integers the
/// nearest integer and a fraction, for floating point the nearest double and what that misses.
struct SpreadInput {
  Number min;
  Number max;
  Number pivot;
  double rest = 0;
  /// Floating-point deviations are divided by 2^exponent, so that no square over- or underflows.
  std::int32_t exponent = 0;
  std::uint32_t bins = 50;

  bool operator==(SpreadInput const&) const = default;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& min& max& pivot& rest& exponent& bins;
  }
};

/// Of the whole dataset; `extent.count` > 0, `bins` >= 1.
[[nodiscard]] SpreadInput make_spread_input(Extent const& extent, std::uint32_t bins);

/// The bins' edges: bins + 1 values, the same on every host.
[[nodiscard]] std::vector<double> edges_of(SpreadInput const& input);

struct Spread {
  std::uint64_t count = 0;
  ExactSum squares;                   ///< of (value - mean) / 2^exponent
  ExactSum deviations;                ///< near 0: corrects what the rounded mean left over
  std::vector<std::uint64_t> counts;  ///< the histogram; empty while nothing was scanned

  bool operator==(Spread const&) const = default;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& count& squares& deviations& counts;
  }
};

/// Throws std::runtime_error, one line, when the block cannot be read.
[[nodiscard]] Spread scan_spread(BlockReader& reader, Block const& block, SpreadInput const& input);
[[nodiscard]] Spread scan_spread(Elements elements, SpreadInput const& input);

/// `into` takes up `other`, of the same dataset and input.
void merge(Spread& into, Spread const& other);

/// The population's standard deviation by the corrected two-pass formula: T. F. Chan, G. H. Golub,
/// R. J. LeVeque, "Algorithms for computing the sample variance", The American Statistician 37
/// (1983), equation 1.7. `spread.count` > 0.
[[nodiscard]] double standard_deviation(Spread const& spread, SpreadInput const& input);

}  // namespace cohort::stats
