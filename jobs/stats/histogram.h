// Equal bins, as numpy.histogram counts them over float64 values: bin i holds
// edges[i] <= x < edges[i+1], and the last bin its right edge too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "jobs/stats/extent.h"
#include "jobs/stats/number.h"

namespace cohort::stats {

/// bins + 1 edges between two finite values, by numpy.linspace's formula: low + i * step, the last
/// one `high` itself. When low == high, the bins lie between low - 0.5 and high + 0.5, as numpy's.
/// Where high - low is beyond double, the same formula on halves.
[[nodiscard]] std::vector<double> histogram_edges(double low, double high, std::size_t bins);

/// What the second pass, which counts the values in their bins, needs to know of the first.
struct BinsInput {
  Number min;
  Number max;
  std::uint32_t bins = 50;

  bool operator==(BinsInput const&) const = default;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& min& max& bins;
  }
};

/// The edges, the same on every host; from 0 to 1, as numpy's, where there are no finite values.
[[nodiscard]] std::vector<double> edges_of(Extent const& extent, std::uint32_t bins);
[[nodiscard]] std::vector<double> edges_of(BinsInput const& input);

class Histogram {
 public:
  /// At least two edges, not descending.
  explicit Histogram(std::vector<double> edges);

  /// The values must be finite; one outside the edges goes into the bin next to it.
  void add(std::span<double const> values);
  /// Elements of which those that are not finite do not count, each `times` times.
  void add(Elements elements, std::uint64_t times);

  /// One count for each bin.
  [[nodiscard]] std::vector<std::uint64_t> counts() const;

 private:
  std::vector<double> limits_;  // the edges, the outermost moved to infinity
  std::size_t bins_;
  std::size_t lanes_;   // copies of the counts, 1 or 4: neighbours in one bin need not wait
  double scale_ = 1;    // applied to values first, so that differences neither over- nor underflow
  double low_ = 0;      // the lowest edge * scale_
  double per_bin_ = 0;  // bins / (scaled range); 0 when the range has no width
  std::vector<std::uint64_t> counts_;

  [[nodiscard]] std::size_t bin_of(double value, std::size_t guess) const noexcept;
};

}  // namespace cohort::stats
