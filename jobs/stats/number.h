// The element types that the scans know, and one element as a value.
// Every numeric HDF5 type is read as one of these four: see inspect.cpp.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>

namespace cohort::stats {

/// The type that elements have in memory. Narrower integers widen, half floats are read as float,
/// long doubles as double (beyond its range they become infinite, and count as non-finite).
enum class ElementKind : std::uint8_t { kFloat, kDouble, kInt64, kUint64 };

/// Bytes of one element in memory.
[[nodiscard]] constexpr std::size_t element_size(ElementKind kind) noexcept {
  return kind == ElementKind::kFloat ? 4 : 8;
}

/// What one read yields; it borrows the reader's buffer.
using Elements = std::variant<std::span<float const>, std::span<double const>,
                              std::span<std::int64_t const>, std::span<std::uint64_t const>>;

/// A finite element, exactly: a double (for both float kinds), an int64 or a uint64.
class Number {
 public:
  Number() = default;
  explicit Number(double value) : bits_(std::bit_cast<std::uint64_t>(value)) {}
  explicit Number(std::int64_t value)
      : kind_(ElementKind::kInt64), bits_(static_cast<std::uint64_t>(value)) {}
  explicit Number(std::uint64_t value) : kind_(ElementKind::kUint64), bits_(value) {}

  /// kDouble, kInt64 or kUint64.
  [[nodiscard]] ElementKind kind() const noexcept { return kind_; }
  [[nodiscard]] double as_double() const noexcept { return std::bit_cast<double>(bits_); }
  [[nodiscard]] std::int64_t as_int64() const noexcept { return static_cast<std::int64_t>(bits_); }
  [[nodiscard]] std::uint64_t as_uint64() const noexcept { return bits_; }

  /// The nearest double.
  [[nodiscard]] double to_double() const noexcept;
  /// Integers in full, doubles with seven digits.
  [[nodiscard]] std::string to_string() const;

  bool operator==(Number const&) const = default;
  /// Both must be of one kind.
  [[nodiscard]] bool operator<(Number const& other) const noexcept;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    auto kind = static_cast<std::uint8_t>(kind_);
    archive& kind& bits_;
    kind_ = static_cast<ElementKind>(kind);
  }

 private:
  ElementKind kind_ = ElementKind::kDouble;
  std::uint64_t bits_ = 0;
};

}  // namespace cohort::stats
