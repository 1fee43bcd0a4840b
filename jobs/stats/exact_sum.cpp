#include "jobs/stats/exact_sum.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace cohort::stats {
namespace {

constexpr int kUnitExponent = -1074;  // the weight of the lowest bit
constexpr std::int64_t kDigitMask = 0xffff'ffff;

/// One term touches a digit and the next: |low| < 2^32, |high| < 2^52.
inline void deposit(double term, std::int64_t* digits) noexcept {
  auto const bits = std::bit_cast<std::uint64_t>(term);
  std::uint64_t const exponent = (bits >> 52) & 0x7ff;
  std::uint64_t const normal = exponent != 0;
  std::uint64_t const mantissa = (bits & 0xf'ffff'ffff'ffff) | (normal << 52);
  std::uint64_t const position = exponent - normal;
  std::uint64_t const shift = position % 32;
  auto const sign = static_cast<std::int64_t>(bits) >> 63;  // 0 or -1
  auto const low = static_cast<std::int64_t>((mantissa << shift) & 0xffff'ffff);
  auto const high = static_cast<std::int64_t>(mantissa >> (32 - shift));
  digits[position / 32] += (low ^ sign) - sign;
  digits[position / 32 + 1] += (high ^ sign) - sign;
}

}  // namespace

void ExactSum::carry(Digits& digits) noexcept {
  std::int64_t carried = 0;
  for (std::size_t i = 0; i + 1 < kDigits; ++i) {
    std::int64_t const digit = digits[i] + carried;
    digits[i] = digit & kDigitMask;
    carried = digit >> 32;  // arithmetic: floors
  }
  digits[kDigits - 1] += carried;
}

void ExactSum::negate(Digits& digits) noexcept {
  for (std::int64_t& digit : digits) digit = -digit;
  carry(digits);
}

void ExactSum::add(std::span<double const> terms) {
  // 1,024 terms below 2^52 each, and a digit: below 2^63. Two lanes, because neighbouring terms
  // mostly fall on the same digit and would wait for one another's store.
  constexpr std::size_t kBeforeCarry = 1024;
  while (!terms.empty()) {
    auto const some = terms.first(std::min(terms.size(), kBeforeCarry));
    if (some.size() < 16) {
      for (double const term : some) deposit(term, digits_.data());
    } else {
      Digits lane{};
      std::size_t i = 0;
      for (; i + 2 <= some.size(); i += 2) {
        deposit(some[i], digits_.data());
        deposit(some[i + 1], lane.data());
      }
      if (i < some.size()) deposit(some[i], digits_.data());
      for (std::size_t k = 0; k < kDigits; ++k) digits_[k] += lane[k];
    }
    carry(digits_);
    terms = terms.subspan(some.size());
  }
}

void ExactSum::add(Int128 term) {
  bool const negative = term < 0;
  UInt128 magnitude = negative ? -static_cast<UInt128>(term) : static_cast<UInt128>(term);
  constexpr std::size_t kFirst = -kUnitExponent / 32;
  constexpr unsigned kShift = -kUnitExponent % 32;
  for (std::size_t i = kFirst; magnitude != 0; ++i, magnitude >>= 32) {
    auto const part = static_cast<std::uint64_t>(magnitude & 0xffff'ffff) << kShift;
    auto const low = static_cast<std::int64_t>(part & 0xffff'ffff);
    auto const high = static_cast<std::int64_t>(part >> 32);
    digits_[i] += negative ? -low : low;
    digits_[i + 1] += negative ? -high : high;
  }
  carry(digits_);
}

void ExactSum::add(ExactSum const& other) {
  for (std::size_t i = 0; i < kDigits; ++i) digits_[i] += other.digits_[i];
  carry(digits_);
}

double ExactSum::nearest(Digits const& digits, Below below) noexcept {
  std::size_t top = kDigits;
  while (top > 0 && digits[top - 1] == 0) --top;
  auto const bit = [&](std::size_t at) { return (digits[at / 32] >> (at % 32)) & 1; };
  if (top == 0) return below == Below::kMoreThanHalf ? std::ldexp(1.0, kUnitExponent) : 0.0;
  std::size_t const width =
      32 * (top - 1) + std::bit_width(static_cast<std::uint64_t>(digits[top - 1]));
  std::size_t const cut = width > 53 ? width - 53 : 0;  // bits that the mantissa cannot hold
  std::uint64_t mantissa = 0;
  for (std::size_t at = width; at-- > cut;) {
    mantissa = 2 * mantissa + static_cast<std::uint64_t>(bit(at));
  }
  if (cut > 0) {
    bool rest = below != Below::kNothing;
    for (std::size_t at = 0; at + 1 < cut && !rest; ++at) rest = bit(at) != 0;
    if (bit(cut - 1) == 0) {
      below = Below::kLessThanHalf;
    } else {
      below = rest ? Below::kMoreThanHalf : Below::kHalf;
    }
  }
  if (below == Below::kMoreThanHalf || (below == Below::kHalf && mantissa % 2 == 1)) ++mantissa;
  return std::ldexp(static_cast<double>(mantissa), static_cast<int>(cut) + kUnitExponent);
}

ExactSum::Quotient ExactSum::divided_by(std::uint64_t count) const {
  Digits digits = digits_;
  bool const negative = digits.back() < 0;
  if (negative) negate(digits);
  UInt128 rest = 0;
  for (std::size_t i = kDigits; i-- > 0;) {  // short division: rest < 2^64, so all fits
    rest = (rest << 32) | static_cast<std::uint64_t>(digits[i]);
    digits[i] = static_cast<std::int64_t>(rest / count);
    rest %= count;
  }
  Below below = Below::kNothing;
  if (rest != 0) {
    UInt128 const twice = 2 * rest;
    below = twice < count    ? Below::kLessThanHalf
            : twice == count ? Below::kHalf
                             : Below::kMoreThanHalf;
  }
  Quotient quotient{nearest(digits, below), 0};
  ExactSum tail;
  tail.digits_ = digits;
  tail.add(-quotient.head);
  bool const tail_negative = tail.digits_.back() < 0;
  if (tail_negative) negate(tail.digits_);
  quotient.tail = nearest(tail.digits_, Below::kNothing);
  if (tail_negative) quotient.tail = -quotient.tail;
  if (negative) return {-quotient.head, -quotient.tail};
  return quotient;
}

}  // namespace cohort::stats
