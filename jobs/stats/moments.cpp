#include "jobs/stats/moments.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "jobs/stats/exact_sum.h"

namespace cohort::stats {
namespace {

/// Deviations below 2^-74 or above 2^24 do not occur with these: their squares are far from the
/// limits of double, and 2^exponent and its inverse are normal.
constexpr int kLowest = -1000;
constexpr int kHighest = 1000;

/// For differences up to `size`, which may be infinite.
int exponent_for(double size) {
  if (!std::isfinite(size)) return kHighest;
  return size > 0 ? std::clamp(std::ilogb(size), kLowest, kHighest) : kLowest;
}

/// Where all values are equal: small beside the differences that another value would make, and not
/// so small that the value divided by it overflows.
int exponent_of_equal(double value) {
  return value == 0 ? kLowest : std::clamp(std::ilogb(value) - 60, kLowest, kHighest);
}

/// Sums in several lanes, so that no addition waits for the one before.
template <class T, class Deviation>
void add_up(std::span<T const> values, Deviation const& deviation, Moments& moments) {
  constexpr std::size_t kLanes = 8;
  std::array<double, kLanes> sum{};
  std::array<double, kLanes> squares{};
  std::size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes) {
    for (std::size_t k = 0; k < kLanes; ++k) {
      double const d = deviation(values[i + k]);
      sum[k] += d;
      squares[k] += d * d;
    }
  }
  for (std::size_t k = 0; i < values.size(); ++i, ++k) {
    double const d = deviation(values[i]);
    sum[k] += d;
    squares[k] += d * d;
  }
  for (std::size_t k = 0; k < kLanes; ++k) {
    moments.deviations += sum[k];
    moments.squares += squares[k];
  }
}

/// The pivot lies between the values, so the magnitude of a difference fits in 64 bits.
template <class T>
Moments moments_of_integers(std::span<T const> values, T mean) {
  Moments moments{.count = values.size(), .pivot = Number(mean)};
  add_up(
      values,
      [=](T value) {
        auto const difference =
            static_cast<std::uint64_t>(value) - static_cast<std::uint64_t>(mean);
        return value < mean ? -static_cast<double>(-difference) : static_cast<double>(difference);
      },
      moments);
  return moments;
}

Int128 integer_of(Number number) {
  return number.kind() == ElementKind::kInt64 ? static_cast<Int128>(number.as_int64())
                                              : static_cast<Int128>(number.as_uint64());
}

/// (a - b) / 2^exponent
double difference(Number a, Number b, int exponent) {
  if (a.kind() != ElementKind::kDouble) return static_cast<double>(integer_of(a) - integer_of(b));
  double const scale = std::ldexp(1.0, -exponent);
  return a.as_double() * scale - b.as_double() * scale;
}

/// The number nearest to pivot + shift * 2^exponent.
Number moved(Number pivot, double shift, int exponent) {
  if (pivot.kind() == ElementKind::kDouble) {
    double const scale = std::ldexp(1.0, -exponent);
    return Number(std::ldexp(pivot.as_double() * scale + shift, exponent));
  }
  Int128 const integer = integer_of(pivot) + static_cast<Int128>(std::round(shift));
  return pivot.kind() == ElementKind::kInt64 ? Number(static_cast<std::int64_t>(integer))
                                             : Number(static_cast<std::uint64_t>(integer));
}

/// The same deviations, from a pivot that lies `shift` below.
void move_pivot(Moments& moments, double shift) {
  auto const count = static_cast<double>(moments.count);
  moments.squares += shift * (2 * moments.deviations + count * shift);
  moments.deviations += count * shift;
}

void rescale(Moments& moments, int exponent) {
  if (moments.exponent == exponent) return;
  int const by = moments.exponent - exponent;
  moments.deviations = std::ldexp(moments.deviations, by);
  moments.squares = std::ldexp(moments.squares, 2 * by);
  moments.exponent = exponent;
}

}  // namespace

Moments moments_of(std::span<double const> values, double low, double high, double mean) {
  double const pivot = mean >= low && mean <= high ? mean : low;  // NaN where its sum overflowed
  if (low == high) return moments_of_repeated(Number(low), values.size());
  Moments moments{
      .count = values.size(), .pivot = Number(pivot), .exponent = exponent_for(high - low)};
  double const scale = std::ldexp(1.0, -moments.exponent);
  double const scaled = pivot * scale;
  add_up(
      values, [=](double value) { return value * scale - scaled; }, moments);
  return moments;
}

Moments moments_of(std::span<std::int64_t const> values, std::int64_t mean) {
  return moments_of_integers(values, mean);
}

Moments moments_of(std::span<std::uint64_t const> values, std::uint64_t mean) {
  return moments_of_integers(values, mean);
}

Moments moments_of_repeated(Number value, std::uint64_t times) {
  bool const integer = value.kind() != ElementKind::kDouble;
  return {.count = times,
          .pivot = value,
          .exponent = integer ? 0 : exponent_of_equal(value.as_double())};
}

void merge(Moments& into, Moments const& other) {
  if (other.count == 0) return;
  if (into.count == 0) {
    into = other;
    return;
  }
  Moments right = other;
  if (into.pivot.kind() == ElementKind::kDouble) {
    double const between = std::abs(into.pivot.as_double() - right.pivot.as_double());
    int const exponent = std::max({into.exponent, right.exponent, exponent_for(between)});
    rescale(into, exponent);
    rescale(right, exponent);
  }
  int const exponent = into.exponent;
  double const apart = difference(right.pivot, into.pivot, exponent);
  auto const count = static_cast<double>(into.count) + static_cast<double>(right.count);
  double const shift =
      (into.deviations + right.deviations + static_cast<double>(right.count) * apart) / count;
  Number const pivot = moved(into.pivot, shift, exponent);
  move_pivot(into, difference(into.pivot, pivot, exponent));
  move_pivot(right, difference(right.pivot, pivot, exponent));
  into.pivot = pivot;
  into.count += right.count;
  into.deviations += right.deviations;
  into.squares += right.squares;
}

double standard_deviation(Moments const& moments) {
  auto const count = static_cast<double>(moments.count);
  double const shift = moments.deviations / count;
  double const variance = std::max(0.0, moments.squares / count - shift * shift);
  return std::ldexp(std::sqrt(variance), moments.exponent);
}

void MomentsTree::add(std::uint64_t part, Moments moments) {
  for (unsigned level = 0;; ++level, part /= 2) {
    auto const neighbour = waiting_.find({level, part ^ 1});
    if (neighbour == waiting_.end()) {
      waiting_.emplace(std::pair{level, part}, std::move(moments));
      return;
    }
    Moments other = std::move(neighbour->second);
    waiting_.erase(neighbour);
    if (part % 2 == 1) std::swap(moments, other);
    merge(moments, other);
  }
}

Moments MomentsTree::total() const {
  Moments total;
  for (auto const& [place, moments] : waiting_) merge(total, moments);
  return total;
}

}  // namespace cohort::stats
