// What the attributes of the netCDF conventions say of a dataset's numbers: which of them are no
// values, and how the others are unpacked. https://docs.unidata.ucar.edu/nug/ (attribute
// conventions, packed data) and the CF conventions, sections 2.5.1 and 8.1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <hdf5.h>

#include "jobs/stats/number.h"

namespace cohort::stats {

struct Packing {
  /// Units of a range of valid values.
  enum class Range : std::uint8_t { kNone, kStored, kStoredAsDouble, kUnpacked };

  bool scaled = false;  ///< a value is stored * scale + offset, in double
  double scale = 1;
  double offset = 0;
  /// _Unsigned: bytes of an integer whose bits are those of one with the other sign; else 0.
  std::uint8_t other_sign = 0;
  std::vector<Number> missing;  ///< stored numbers that are no values, of the stored kind
  bool missing_nan = false;     ///< NaN is none either
  Range range = Range::kNone;
  bool has_low = false;
  bool has_high = false;
  Number low;  ///< values below it are none; a double unless range is kStored
  Number high;

  std::string text;     ///< all of this in words; "" where no attribute says anything
  std::string problem;  ///< why the values cannot be known, or ""
  bool applied = true;  ///< false: the text alone stands, and the numbers are taken as stored

  bool operator==(Packing const&) const = default;
  /// Whether each stored number is a value as it is.
  [[nodiscard]] bool is_trivial() const noexcept {
    return !scaled && other_sign == 0 && missing.empty() && !missing_nan && range == Range::kNone;
  }

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    auto range_byte = static_cast<std::uint8_t>(range);
    archive& scaled& scale& offset& other_sign& missing& missing_nan;
    archive& range_byte& has_low& has_high& low& high;
    range = static_cast<Range>(range_byte);
  }
};

/// The numbers of an attribute, and of which type they are.
struct NumericAttribute {
  std::vector<Number> values;  ///< none where it is not numeric, or cannot be read
  bool is_float = false;
  std::size_t size = 0;  ///< bytes of one
};

/// The attributes of one dataset, whatever kind of file it is in.
class AttributeSource {
 public:
  virtual ~AttributeSource() = default;
  [[nodiscard]] virtual bool has(char const* name) const = 0;
  /// Nothing where there is no such attribute.
  [[nodiscard]] virtual std::optional<NumericAttribute> numeric(char const* name) const = 0;
  /// "" where there is no such text.
  [[nodiscard]] virtual std::string text(char const* name) const = 0;
};

/// Reads _FillValue, missing_value, valid_range, valid_min, valid_max, scale_factor, add_offset and
/// _Unsigned of a dataset whose elements are of that kind and type. Never throws for what they
/// hold: without a usable scale_factor or add_offset the values are unknown, which is the problem;
/// other attributes that are no numbers, or that no element can equal, are named in the text as
/// ignored.
[[nodiscard]] Packing packing_of(hid_t dataset, ElementKind kind, hid_t type);

/// `size` is that of an element in the file.
[[nodiscard]] Packing packing_of(AttributeSource const& attributes, ElementKind kind,
                                 std::size_t size);

/// One that says the same in words, and asks for nothing.
[[nodiscard]] Packing not_applied(Packing const& packing);

/// Calls `use` with the values of stored elements, each `times` times; returns how many were
/// masked.
std::uint64_t unpack(Packing const& packing, Elements stored, std::uint64_t times,
                     std::function<void(Elements, std::uint64_t)> const& use);

}  // namespace cohort::stats
