// Hands floating-point elements to a kernel as short runs of finite doubles that stay in the
// first-level cache. Internal to the scans.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>

namespace cohort::stats {

inline constexpr std::size_t kRunLength = 1024;

/// x - x is 0, or NaN when x is not finite. Lanes: the sums need not wait for each other.
template <class Float>
bool all_finite(std::span<Float const> elements) noexcept {
  constexpr std::size_t kLanes = 8;
  std::array<Float, kLanes> poison{};
  std::size_t i = 0;
  for (; i + kLanes <= elements.size(); i += kLanes) {
    for (std::size_t k = 0; k < kLanes; ++k) poison[k] += elements[i + k] - elements[i + k];
  }
  for (; i < elements.size(); ++i) poison[0] += elements[i] - elements[i];
  Float any = 0;
  for (Float const lane : poison) any += lane;
  return any == 0;
}

/// Calls `use(std::span<double const>)` for the finite elements, in their order; returns how many
/// are not finite.
template <class Float, class Use>
std::uint64_t for_each_finite_run(std::span<Float const> elements, Use const& use) {
  static_assert(std::is_floating_point_v<Float>);
  std::array<double, kRunLength> run;
  std::uint64_t nonfinite = 0;
  while (!elements.empty()) {
    auto const some = elements.first(std::min(elements.size(), kRunLength));
    elements = elements.subspan(some.size());
    std::size_t kept = some.size();
    if (!all_finite(some)) {
      kept = 0;
      for (Float const element : some) {
        run[kept] = static_cast<double>(element);
        kept += std::abs(element) <= std::numeric_limits<Float>::max() ? 1 : 0;
      }
    } else if constexpr (std::is_same_v<Float, double>) {
      use(some);
      continue;
    } else {
      for (std::size_t i = 0; i < kept; ++i) run[i] = static_cast<double>(some[i]);
    }
    nonfinite += some.size() - kept;
    if (kept > 0) use(std::span<double const>(run.data(), kept));
  }
  return nonfinite;
}

}  // namespace cohort::stats
