#include "jobs/stats/histogram.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>
#include <utility>

namespace cohort::stats {

std::vector<double> histogram_edges(double low, double high, std::size_t bins) {
  if (bins == 0) throw std::invalid_argument("a histogram needs at least one bin");
  if (low == high) {
    low -= 0.5;
    high += 0.5;
  }
  double const unit = std::isfinite(high - low) ? 1 : 0.5;
  double const start = low * unit;
  double const width = high * unit - start;
  auto const divisions = static_cast<double>(bins);
  double const step = width / divisions;
  std::vector<double> edges(bins + 1);
  for (std::size_t i = 0; i < bins; ++i) {
    auto const at = static_cast<double>(i);
    // numpy.linspace: a step that underflows to zero is not multiplied
    edges[i] = ((step == 0 ? at / divisions * width : at * step) + start) / unit;
  }
  edges[bins] = high;
  return edges;
}

Histogram::Histogram(std::vector<double> edges)
    : edges_(std::move(edges)), bins_(edges_.size() - 1), lanes_(bins_ <= 4096 ? 4 : 1) {
  if (edges_.size() < 2) throw std::invalid_argument("a histogram needs at least one bin");
  double const low = edges_.front();
  double const high = edges_.back();
  auto const bins = static_cast<double>(bins_);
  if (!std::isfinite(high - low)) {
    scale_ = 0.5;
  } else if (high > low && !std::isfinite(bins / (high - low))) {
    scale_ = 0x1p600;  // only values near the smallest doubles: exact
  }
  low_ = low * scale_;
  if (high > low) per_bin_ = bins / (high * scale_ - low_);
  counts_.resize(lanes_ * bins_);
}

void Histogram::add(std::span<double const> values) {
  std::array<std::int32_t, 512> guess;
  auto const last = static_cast<double>(bins_ - 1);
  while (!values.empty()) {
    std::size_t const size = std::min(values.size(), guess.size());
    for (std::size_t i = 0; i < size; ++i) {
      double at = (values[i] * scale_ - low_) * per_bin_;
      at = at < last ? at : last;
      at = at > 0 ? at : 0;
      guess[i] = static_cast<std::int32_t>(at);
    }
    // The estimate may be off by rounding: the edges decide.
    for (std::size_t i = 0; i < size; ++i) {
      double const value = values[i];
      auto bin = static_cast<std::size_t>(guess[i]);
      while (value < edges_[bin] && bin > 0) --bin;
      while (value >= edges_[bin + 1] && bin + 1 < bins_) ++bin;
      ++counts_[(i % lanes_) * bins_ + bin];
    }
    values = values.subspan(size);
  }
}

std::vector<std::uint64_t> Histogram::counts() const {
  std::vector<std::uint64_t> counts(bins_);
  for (std::size_t i = 0; i < counts_.size(); ++i) counts[i % bins_] += counts_[i];
  return counts;
}

}  // namespace cohort::stats
