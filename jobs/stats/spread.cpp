#include "jobs/stats/spread.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <limits>
#include <span>

#include "jobs/stats/finite_runs.h"
#include "jobs/stats/histogram.h"

namespace cohort::stats {
namespace {

/// Sums of a piece's deviations in plain doubles: the squares do not cancel, and a piece of 8 MiB
/// has up to 2^18 doubles in a lane (2^19 floats), so their sum is right to 3e-11 (6e-11) at the
/// worst, and far better where roundings go both ways.
struct Deviations {
  static constexpr std::size_t kLanes = 4;
  std::array<double, kLanes> sum{};
  std::array<double, kLanes> squares{};

  /// `deviation(value)` of each value.
  template <class T, class Deviation>
  void add(std::span<T const> values, Deviation const& deviation) {
    std::size_t i = 0;
    for (; i + kLanes <= values.size(); i += kLanes) {
      for (std::size_t k = 0; k < kLanes; ++k) {
        double const d = deviation(values[i + k]);
        sum[k] += d;
        squares[k] += d * d;
      }
    }
    for (; i < values.size(); ++i) {
      double const d = deviation(values[i]);
      sum[0] += d;
      squares[0] += d * d;
    }
  }
  void give(Spread& spread) const {
    spread.deviations.add(sum);
    spread.squares.add(squares);
  }
};

template <std::floating_point T>
void scan(std::span<T const> elements, SpreadInput const& input, Spread& spread,
          Histogram& histogram) {
  double const scale = std::ldexp(1.0, -input.exponent);
  double const pivot = input.pivot.as_double() * scale;
  double const rest = input.rest * scale;
  Deviations deviations;
  std::uint64_t const nonfinite = for_each_finite_run(elements, [&](std::span<double const> run) {
    deviations.add(run, [=](double value) { return (value * scale - pivot) - rest; });
    histogram.add(run);
  });
  spread.count = elements.size() - nonfinite;
  deviations.give(spread);
}

/// The pivot lies between the values, so the magnitude of a difference fits in 64 bits.
template <std::integral T>
double deviation_from(T value, T pivot, double rest) noexcept {
  auto const difference = static_cast<std::uint64_t>(value) - static_cast<std::uint64_t>(pivot);
  double const magnitude = static_cast<double>(value < pivot ? -difference : difference);
  return (value < pivot ? -magnitude : magnitude) - rest;
}

template <std::integral T>
void scan(std::span<T const> elements, SpreadInput const& input, Spread& spread,
          Histogram& histogram) {
  T const pivot = static_cast<T>(input.pivot.as_uint64());
  std::uint64_t const range = input.max.as_uint64() - input.min.as_uint64();
  double const rest = input.rest;
  Deviations deviations;
  if (range <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    deviations.add(elements, [=](T value) {
      return static_cast<double>(static_cast<std::int64_t>(static_cast<std::uint64_t>(value) -
                                                           static_cast<std::uint64_t>(pivot))) -
             rest;
    });
  } else {
    deviations.add(elements, [=](T value) { return deviation_from(value, pivot, rest); });
  }
  spread.count = elements.size();
  deviations.give(spread);
  std::array<double, kRunLength> run;
  while (!elements.empty()) {  // numpy too bins integers as doubles
    std::size_t const size = std::min(elements.size(), run.size());
    for (std::size_t i = 0; i < size; ++i) run[i] = static_cast<double>(elements[i]);
    histogram.add(std::span<double const>(run.data(), size));
    elements = elements.subspan(size);
  }
}

template <std::integral T>
void choose_pivot(Extent const& extent, SpreadInput& input) {
  ExactSum::Quotient const mean = extent.sum.divided_by(extent.count);
  Int128 const nearest =
      static_cast<Int128>(mean.head) + static_cast<Int128>(std::round(mean.tail));
  auto const low = static_cast<T>(extent.min.as_uint64());
  auto const high = static_cast<T>(extent.max.as_uint64());
  T const pivot = static_cast<T>(std::clamp<Int128>(nearest, low, high));
  ExactSum rest = extent.sum;
  rest.add(-static_cast<Int128>(pivot) * static_cast<Int128>(extent.count));
  input.pivot = Number(pivot);
  input.rest = rest.divided_by(extent.count).head;
}

void choose_scale(Extent const& extent, SpreadInput& input) {
  ExactSum::Quotient const mean = extent.sum.divided_by(extent.count);
  input.pivot = Number(mean.head);
  input.rest = mean.tail;
  double const low = extent.min.as_double();
  double const high = extent.max.as_double();
  // The largest deviation lies between half the range and the range. The bounds keep 2^exponent
  // and its inverse normal; squares of 2^24 or 2^-74 are far from either limit.
  int exponent = 0;
  if (!std::isfinite(high - low)) {
    exponent = 1000;
  } else if (high > low) {
    exponent = std::clamp(std::ilogb(high - low), -1000, 1000);
  }
  input.exponent = exponent;
}

}  // namespace

SpreadInput make_spread_input(Extent const& extent, std::uint32_t bins) {
  SpreadInput input;
  input.min = extent.min;
  input.max = extent.max;
  input.bins = bins;
  switch (extent.min.kind()) {
    case ElementKind::kInt64:
      choose_pivot<std::int64_t>(extent, input);
      break;
    case ElementKind::kUint64:
      choose_pivot<std::uint64_t>(extent, input);
      break;
    default:
      choose_scale(extent, input);
      break;
  }
  return input;
}

std::vector<double> edges_of(SpreadInput const& input) {
  if (input.min == input.max || input.min.to_double() < input.max.to_double()) {
    return histogram_edges(input.min.to_double(), input.max.to_double(), input.bins);
  }
  // Integers that differ, but not as doubles: no width, and numpy does not widen it either.
  return std::vector<double>(input.bins + 1, input.min.to_double());
}

Spread scan_spread(Elements elements, SpreadInput const& input) {
  Spread spread;
  Histogram histogram(edges_of(input));
  std::visit([&](auto span) { scan(span, input, spread, histogram); }, elements);
  spread.counts = histogram.counts();
  return spread;
}

Spread scan_spread(BlockReader& reader, Block const& block, SpreadInput const& input) {
  Spread spread;
  reader.for_each_piece(block,
                        [&](Elements elements) { merge(spread, scan_spread(elements, input)); });
  return spread;
}

void merge(Spread& into, Spread const& other) {
  into.count += other.count;
  into.squares.add(other.squares);
  into.deviations.add(other.deviations);
  if (into.counts.size() < other.counts.size()) into.counts.resize(other.counts.size());
  for (std::size_t i = 0; i < other.counts.size(); ++i) into.counts[i] += other.counts[i];
}

double standard_deviation(Spread const& spread, SpreadInput const& input) {
  double const square = spread.squares.divided_by(spread.count).head;
  double const shift = spread.deviations.divided_by(spread.count).head;
  double const variance = std::max(0.0, square - shift * shift);
  return std::ldexp(std::sqrt(variance), input.exponent);
}

}  // namespace cohort::stats
