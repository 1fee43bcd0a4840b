#include "jobs/stats/extent.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <limits>
#include <span>
#include <type_traits>

#include "jobs/stats/finite_runs.h"

namespace cohort::stats {
namespace {

/// The bounds of values by several lanes, so that no comparison waits for the one before.
template <class T>
struct Bounds {
  static constexpr std::size_t kLanes = 8;
  std::array<T, kLanes> low;
  std::array<T, kLanes> high;

  explicit Bounds(std::span<T const> values) {  // not empty
    low.fill(values.front());
    high.fill(values.front());
    std::size_t i = 0;
    for (; i + kLanes <= values.size(); i += kLanes) {
      for (std::size_t k = 0; k < kLanes; ++k) {
        low[k] = values[i + k] < low[k] ? values[i + k] : low[k];
        high[k] = values[i + k] > high[k] ? values[i + k] : high[k];
      }
    }
    for (; i < values.size(); ++i) {
      low[0] = std::min(low[0], values[i]);
      high[0] = std::max(high[0], values[i]);
    }
  }
  [[nodiscard]] T min() const { return unsigned_zero(*std::min_element(low.begin(), low.end())); }
  [[nodiscard]] T max() const { return unsigned_zero(*std::max_element(high.begin(), high.end())); }

 private:
  /// Which of two zeros came first would depend on the order of the merges: a zero has no sign
  /// here.
  static T unsigned_zero(T value) { return value == 0 ? T{0} : value; }
};

void widen(Extent& extent, std::uint64_t count, Number low, Number high) {
  if (count == 0) return;
  if (extent.count == 0 || low < extent.min) extent.min = low;
  if (extent.count == 0 || extent.max < high) extent.max = high;
  extent.count += count;
}

template <std::floating_point T>
void add_all(FirstPass& into, std::span<T const> elements) {
  into.extent.nonfinite += for_each_finite_run(elements, [&](std::span<double const> run) {
    Bounds<double> const bounds(run);
    double const mean = into.extent.sum.add(run) / static_cast<double>(run.size());
    widen(into.extent, run.size(), Number(bounds.min()), Number(bounds.max()));
    merge(into.moments, moments_of(run, bounds.min(), bounds.max(), mean));
  });
}

template <std::integral T>
void add_all(FirstPass& into, std::span<T const> elements) {
  while (!elements.empty()) {
    auto const run = elements.first(std::min(elements.size(), kRunLength));
    elements = elements.subspan(run.size());
    Bounds<T> const bounds(run);
    Int128 sum = 0;
    for (T const element : run) sum += element;
    into.extent.sum.add(sum);
    widen(into.extent, run.size(), Number(bounds.min()), Number(bounds.max()));
    merge(into.moments, moments_of(run, static_cast<T>(sum / static_cast<Int128>(run.size()))));
  }
}

/// A number of the three kinds that Number knows, without the sign of a zero.
template <class T>
auto exact(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    return static_cast<double>(value == 0 ? T{0} : value);
  } else {
    return value;
  }
}

template <class T>
void add_repeated(FirstPass& into, T element, std::uint64_t times) {
  auto const value = exact(element);
  if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(value)) {
      into.extent.nonfinite += times;
      return;
    }
  }
  into.extent.sum.add_repeated(value, times);
  widen(into.extent, times, Number(value), Number(value));
  merge(into.moments, moments_of_repeated(Number(value), times));
}

}  // namespace

void FirstPass::add(Elements elements, std::uint64_t times) {
  std::visit(
      [&](auto span) {
        if (times == 1) return add_all(*this, span);
        for (auto const element : span) add_repeated(*this, element, times);
      },
      elements);
}

void merge(Extent& into, Extent const& other) {
  widen(into, other.count, other.min, other.max);
  into.nonfinite += other.nonfinite;
  into.masked += other.masked;
  into.sum.add(other.sum);
}

}  // namespace cohort::stats
