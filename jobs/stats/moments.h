// The spread of values around their mean, in one pass: each part has its own pivot near its mean,
// and parts combine without losing what that gives. Unlike an exact sum, two orders of combining
// may differ in the last bit: MomentsTree fixes the order.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <utility>

#include "jobs/stats/number.h"

namespace cohort::stats {

/// Count, and the sums of deviations and of their squares. The updating formula is that of T. F.
/// Chan, G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample variance", The American
/// Statistician 37 (1983), equation 2.1, with their correction 1.7 for a rounded pivot.
struct Moments {
  std::uint64_t count = 0;
  Number pivot;  ///< near the mean; meaningless while count == 0
  std::int32_t exponent =
      0;                  ///< deviations are divided by 2^exponent: no square over- or underflows
  double deviations = 0;  ///< sum of (value - pivot) / 2^exponent
  double squares = 0;     ///< sum of the squares of those

  bool operator==(Moments const&) const = default;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& count& pivot& exponent& deviations& squares;
  }
};

/// Of finite values between `low` and `high`, whose mean is about `mean`.
[[nodiscard]] Moments moments_of(std::span<double const> values, double low, double high,
                                 double mean);
[[nodiscard]] Moments moments_of(std::span<std::int64_t const> values, std::int64_t mean);
[[nodiscard]] Moments moments_of(std::span<std::uint64_t const> values, std::uint64_t mean);

/// Of one value that occurs `times` times.
[[nodiscard]] Moments moments_of_repeated(Number value, std::uint64_t times);

/// `into` takes up `other`, of the same kind of number.
void merge(Moments& into, Moments const& other);

/// Of the population: divided by count, which is > 0.
[[nodiscard]] double standard_deviation(Moments const& moments);

/// Combines the parts 0 to n-1 of one dataset in the same pairs, whatever the order in which they
/// come. It keeps what still waits for its neighbour: little, where they come nearly in order.
class MomentsTree {
 public:
  /// Each part once.
  void add(std::uint64_t part, Moments moments);
  /// Of all parts added. The same bits for the same parts.
  [[nodiscard]] Moments total() const;

 private:
  std::map<std::pair<unsigned, std::uint64_t>, Moments> waiting_;  // by level and place in it
};

}  // namespace cohort::stats
