#include "jobs/stats/extent.h"

#include <algorithm>
#include <array>
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
  static constexpr std::size_t kLanes = 4;
  std::array<T, kLanes> low;
  std::array<T, kLanes> high;

  explicit Bounds(T first) {
    low.fill(first);
    high.fill(first);
  }
  void add(std::span<T const> values) noexcept {
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
  [[nodiscard]] Number min() const { return bound(*std::min_element(low.begin(), low.end())); }
  [[nodiscard]] Number max() const { return bound(*std::max_element(high.begin(), high.end())); }

 private:
  /// Which of two zeros came first would depend on the order of the merges: a zero has no sign
  /// here.
  static Number bound(T value) { return Number(value == 0 ? T{0} : value); }
};

template <std::floating_point T>
Extent scan(std::span<T const> elements) {
  Extent extent;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Bounds<double> bounds(0);
  bounds.low.fill(kInfinity);
  bounds.high.fill(-kInfinity);
  extent.nonfinite = for_each_finite_run(elements, [&](std::span<double const> run) {
    bounds.add(run);
    extent.sum.add(run);
  });
  extent.count = elements.size() - extent.nonfinite;
  if (extent.count > 0) {
    extent.min = bounds.min();
    extent.max = bounds.max();
  }
  return extent;
}

template <std::integral T>
Extent scan(std::span<T const> elements) {
  Extent extent;
  if (elements.empty()) return extent;
  Bounds<T> bounds(elements.front());
  bounds.add(elements);
  Int128 sum = 0;
  for (T const element : elements) sum += element;
  extent.count = elements.size();
  extent.min = bounds.min();
  extent.max = bounds.max();
  extent.sum.add(sum);
  return extent;
}

}  // namespace

Extent scan_extent(Elements elements) {
  return std::visit([](auto span) { return scan(span); }, elements);
}

Extent scan_extent(BlockReader& reader, Block const& block) {
  Extent extent;
  reader.for_each_piece(block, [&](Elements elements) { merge(extent, scan_extent(elements)); });
  return extent;
}

void merge(Extent& into, Extent const& other) {
  if (other.count > 0) {
    if (into.count == 0 || other.min < into.min) into.min = other.min;
    if (into.count == 0 || into.max < other.max) into.max = other.max;
  }
  into.count += other.count;
  into.nonfinite += other.nonfinite;
  into.sum.add(other.sum);
}

}  // namespace cohort::stats
