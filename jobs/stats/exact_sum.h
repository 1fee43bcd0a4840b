// A sum of doubles and integers without any rounding, so that neither the order of the terms nor
// the number of workers changes it. One fixed-point number that spans the whole range of double.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace cohort::stats {

__extension__ using Int128 = __int128;
__extension__ using UInt128 = unsigned __int128;

/// R. M. Neal, "Fast exact summation using small and large superaccumulators" (2015),
/// arXiv:1505.05571: the small superaccumulator, with digits of 32 bits in 64-bit words, so that
/// about a thousand terms are added before a carry has to move. Runs of terms whose magnitudes do
/// not differ too much are first summed without error in plain doubles: S. M. Rump, T. Ogita,
/// S. Oishi, "Accurate floating-point summation part I" (2008), algorithm 3.3 (ExtractVector).
/// Up to 2^64 terms; integer terms up to 2^126 in magnitude.
class ExactSum {
 public:
  /// A quotient as head + tail: `head` is the nearest double, `tail` the nearest to the rest.
  struct Quotient {
    double head = 0;
    double tail = 0;
  };

  /// Every term must be finite. Returns about their sum, not finite where that overflows.
  double add(std::span<double const> terms);
  void add(double term) { add(std::span(&term, 1)); }
  void add(Int128 term);
  /// A term that occurs `times` times; it must be finite.
  void add_repeated(double term, std::uint64_t times);
  void add_repeated(std::int64_t term, std::uint64_t times);
  void add_repeated(std::uint64_t term, std::uint64_t times);
  void add(ExactSum const& other);

  /// The sum divided by `count` > 0, from all digits: exact up to the two roundings.
  [[nodiscard]] Quotient divided_by(std::uint64_t count) const;

  bool operator==(ExactSum const&) const = default;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    for (std::int64_t& digit : digits_) archive& digit;
  }

 private:
  /// 2046 positions of a double's last bit, its 53 bits, 64 bits for carries, in digits of 32.
  static constexpr std::size_t kDigits = 68;
  using Digits = std::array<std::int64_t, kDigits>;

  /// Digit i weighs 2^(32 i - 1074). Between calls each is in [0, 2^32), save the last, which
  /// carries the sign.
  Digits digits_{};

  /// Adds magnitude * 2^(position - 1074), or subtracts it.
  void add_scaled(UInt128 magnitude, std::size_t position, bool negative) noexcept;
  static void carry(Digits& digits) noexcept;
  static void negate(Digits& digits) noexcept;
  /// The part of the last bit (2^-1074) that was cut off: the four cases that rounding tells apart.
  enum class Below { kNothing, kLessThanHalf, kHalf, kMoreThanHalf };
  /// The nearest double to non-negative digits, ties to even.
  [[nodiscard]] static double nearest(Digits const& digits, Below below) noexcept;
};

}  // namespace cohort::stats
