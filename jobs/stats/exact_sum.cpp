#include "jobs/stats/exact_sum.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>

namespace cohort::stats {
namespace {

constexpr int kUnitExponent = -1074;           // the weight of the lowest bit
constexpr std::size_t kUnit = -kUnitExponent;  // the position of 1
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

/// Up to 1,024 terms, taken apart into multiples of a fixed power of two, which sum without error,
/// and what is left; that again, with a smaller power. Returns about their sum; nothing, with
/// nothing done, where more would be left then: the magnitudes differ by more than about 2^30.
std::optional<double> deposit_run(std::span<double const> terms, std::int64_t* digits) noexcept {
  constexpr std::size_t kLanes = 8;
  std::array<double, kLanes> tops{};
  std::size_t const whole = terms.size() / kLanes * kLanes;
  for (std::size_t i = 0; i < whole; i += kLanes) {
    for (std::size_t k = 0; k < kLanes; ++k) {
      double const size = std::abs(terms[i + k]);
      tops[k] = size > tops[k] ? size : tops[k];
    }
  }
  double const top = *std::max_element(tops.begin(), tops.end());
  if (top >= 0x1p1000) return std::nullopt;
  int exponent = 0;
  static_cast<void>(std::frexp(top, &exponent));
  double const first = std::ldexp(1.0, exponent + 11);  // above 2^10 terms of 2^exponent
  double const second = std::ldexp(first, 11 - 53);     // above 2^10 rests
  std::array<double, kLanes> high{};
  std::array<double, kLanes> low{};
  std::array<double, kLanes> left{};
  for (std::size_t i = 0; i < whole; i += kLanes) {
    for (std::size_t k = 0; k < kLanes; ++k) {
      double const term = terms[i + k];
      double const part = (first + term) - first;
      double const rest = term - part;
      double const next = (second + rest) - second;
      high[k] += part;
      low[k] += next;
      left[k] += std::abs(rest - next);
    }
  }
  for (double const lane : left) {
    if (lane != 0) return std::nullopt;
  }
  // The lanes are multiples of the same powers of two, within the same bounds: exact too.
  for (std::size_t k = 1; k < kLanes; ++k) {
    high[0] += high[k];
    low[0] += low[k];
  }
  deposit(high[0], digits);
  deposit(low[0], digits);
  double about = high[0] + low[0];
  for (std::size_t i = whole; i < terms.size(); ++i) {
    deposit(terms[i], digits);
    about += terms[i];
  }
  return about;
}

double deposit_each(std::span<double const> terms, std::int64_t* digits) noexcept {
  double about = 0;
  for (double const term : terms) {
    deposit(term, digits);
    about += term;
  }
  return about;
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

double ExactSum::add(std::span<double const> terms) {
  // 1,024 terms below 2^52 each, and a digit: below 2^63.
  constexpr std::size_t kBeforeCarry = 1024;
  constexpr std::size_t kShort = 32;
  double about = 0;
  while (!terms.empty()) {
    auto const some = terms.first(std::min(terms.size(), kBeforeCarry));
    auto const quick = some.size() < kShort ? std::nullopt : deposit_run(some, digits_.data());
    about += quick ? *quick : deposit_each(some, digits_.data());
    carry(digits_);
    terms = terms.subspan(some.size());
  }
  return about;
}

void ExactSum::add_scaled(UInt128 magnitude, std::size_t position, bool negative) noexcept {
  auto const shift = static_cast<unsigned>(position % 32);
  for (std::size_t i = position / 32; magnitude != 0; ++i, magnitude >>= 32) {
    auto const part = static_cast<std::uint64_t>(magnitude & 0xffff'ffff) << shift;
    auto const low = static_cast<std::int64_t>(part & 0xffff'ffff);
    auto const high = static_cast<std::int64_t>(part >> 32);
    digits_[i] += negative ? -low : low;
    digits_[i + 1] += negative ? -high : high;
  }
  carry(digits_);
}

void ExactSum::add(Int128 term) {
  bool const negative = term < 0;
  add_scaled(negative ? -static_cast<UInt128>(term) : static_cast<UInt128>(term), kUnit, negative);
}

void ExactSum::add_repeated(double term, std::uint64_t times) {
  auto const bits = std::bit_cast<std::uint64_t>(term);
  std::uint64_t const exponent = (bits >> 52) & 0x7ff;
  std::uint64_t const normal = exponent != 0;
  std::uint64_t const mantissa = (bits & 0xf'ffff'ffff'ffff) | (normal << 52);
  add_scaled(static_cast<UInt128>(mantissa) * times, exponent - normal, std::signbit(term));
}

void ExactSum::add_repeated(std::int64_t term, std::uint64_t times) {
  bool const negative = term < 0;
  auto const bits = static_cast<std::uint64_t>(term);
  add_scaled(static_cast<UInt128>(negative ? -bits : bits) * times, kUnit, negative);
}

void ExactSum::add_repeated(std::uint64_t term, std::uint64_t times) {
  add_scaled(static_cast<UInt128>(term) * times, kUnit, false);
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
