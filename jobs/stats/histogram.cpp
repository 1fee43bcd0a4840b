#include "jobs/stats/histogram.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "jobs/stats/finite_runs.h"

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

std::vector<double> edges_of(Extent const& extent, std::uint32_t bins) {
  if (extent.count == 0) return histogram_edges(0, 1, bins);
  return edges_of(BinsInput{extent.min, extent.max, bins});
}

std::vector<double> edges_of(BinsInput const& input) {
  if (input.min == input.max || input.min.to_double() < input.max.to_double()) {
    return histogram_edges(input.min.to_double(), input.max.to_double(), input.bins);
  }
  // Integers that differ, but not as doubles: no width, and numpy does not widen it either.
  return std::vector<double>(input.bins + 1, input.min.to_double());
}

Histogram::Histogram(std::vector<double> edges)
    : limits_(std::move(edges)), bins_(limits_.size() - 1), lanes_(bins_ <= 4096 ? 4 : 1) {
  if (limits_.size() < 2) throw std::invalid_argument("a histogram needs at least one bin");
  double const low = limits_.front();
  double const high = limits_.back();
  auto const bins = static_cast<double>(bins_);
  if (!std::isfinite(high - low)) {
    scale_ = 0.5;
  } else if (high > low && !std::isfinite(bins / (high - low))) {
    scale_ = 0x1p600;  // only values near the smallest doubles: exact
  }
  low_ = low * scale_;
  if (high > low) per_bin_ = bins / (high * scale_ - low_);
  limits_.front() = -std::numeric_limits<double>::infinity();
  limits_.back() = std::numeric_limits<double>::infinity();
  counts_.resize(lanes_ * bins_);
}

std::size_t Histogram::bin_of(double value, std::size_t guess) const noexcept {
  while (value < limits_[guess]) --guess;
  while (value >= limits_[guess + 1]) ++guess;
  return guess;
}

void Histogram::add(std::span<double const> values) {
  std::array<std::int32_t, 512> guess;
  auto const last = static_cast<double>(bins_ - 1);
  double const* const limits = limits_.data();
  while (!values.empty()) {
    std::size_t const size = std::min(values.size(), guess.size());
    for (std::size_t i = 0; i < size; ++i) {
      double at = (values[i] * scale_ - low_) * per_bin_;
      at = at < last ? at : last;
      at = at > 0 ? at : 0;
      guess[i] = static_cast<std::int32_t>(at);
    }
    // The estimate may be off by rounding: the edges decide. Without a branch by one bin; by more
    // where the edges are as close as doubles can be.
    bool off = false;
    for (std::size_t i = 0; i < size; ++i) {
      auto const bin = static_cast<std::size_t>(guess[i]);
      std::int32_t const below = values[i] < limits[bin] ? 1 : 0;
      std::int32_t const above = values[i] >= limits[bin + 1] ? 1 : 0;
      guess[i] += above - below;
      off |= (above | below) != 0;
    }
    if (off) {
      for (std::size_t i = 0; i < size; ++i) {
        guess[i] = static_cast<std::int32_t>(bin_of(values[i], static_cast<std::size_t>(guess[i])));
      }
    }
    for (std::size_t i = 0; i < size; ++i) {
      ++counts_[(i & (lanes_ - 1)) * bins_ + static_cast<std::size_t>(guess[i])];
    }
    values = values.subspan(size);
  }
}

void Histogram::add(Elements elements, std::uint64_t times) {
  auto const some = [&](std::span<double const> values) {
    if (times == 1) return add(values);
    for (double const value : values) counts_[bin_of(value, 0)] += times;
  };
  std::visit(
      [&](auto span) {
        using T = std::remove_cv_t<typename decltype(span)::element_type>;
        if constexpr (std::is_floating_point_v<T>) {
          static_cast<void>(for_each_finite_run(span, some));
        } else {
          std::array<double, kRunLength> run;
          while (!span.empty()) {  // numpy too bins integers as doubles
            std::size_t const size = std::min(span.size(), run.size());
            for (std::size_t i = 0; i < size; ++i) run[i] = static_cast<double>(span[i]);
            some(std::span<double const>(run.data(), size));
            span = span.subspan(size);
          }
        }
      },
      elements);
}

std::vector<std::uint64_t> Histogram::counts() const {
  std::vector<std::uint64_t> counts(bins_);
  for (std::size_t i = 0; i < counts_.size(); ++i) counts[i % bins_] += counts_[i];
  return counts;
}

}  // namespace cohort::stats
