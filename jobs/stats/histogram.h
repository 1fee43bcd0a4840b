// Equal bins, as numpy.histogram counts them over float64 values: bin i holds
// edges[i] <= x < edges[i+1], and the last bin its right edge too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace cohort::stats {

/// bins + 1 edges between two finite values, by numpy.linspace's formula: low + i * step, the last
/// one `high` itself. When low == high, the bins lie between low - 0.5 and high + 0.5, as numpy's.
/// Where high - low is beyond double, the same formula on halves.
[[nodiscard]] std::vector<double> histogram_edges(double low, double high, std::size_t bins);

class Histogram {
 public:
  /// At least two edges, not descending.
  explicit Histogram(std::vector<double> edges);

  /// The values must be finite; one outside the edges goes into the bin next to it.
  void add(std::span<double const> values);

  /// One count for each bin.
  [[nodiscard]] std::vector<std::uint64_t> counts() const;

 private:
  std::vector<double> edges_;
  std::size_t bins_;
  std::size_t lanes_;   // copies of the counts: neighbours in one bin need not wait
  double scale_ = 1;    // applied to values first, so that differences neither over- nor underflow
  double low_ = 0;      // edges_.front() * scale_
  double per_bin_ = 0;  // bins / (scaled range); 0 when the range has no width
  std::vector<std::uint64_t> counts_;
};

}  // namespace cohort::stats
