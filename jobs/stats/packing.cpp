#include "jobs/stats/packing.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <concepts>
#include <limits>
#include <optional>
#include <span>
#include <stdexcept>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "jobs/stats/hdf5_handle.h"

namespace cohort::stats {
namespace {

/// The integer type that elements have, once _Unsigned has had its say.
struct Integer {
  std::size_t size = 0;
  bool is_signed = false;
};

constexpr std::array kNames{"scale_factor",  "add_offset",  "_Unsigned", "_FillValue",
                            "missing_value", "valid_range", "valid_min", "valid_max"};

std::vector<Number> read_numbers(hid_t attribute, hid_t type, std::size_t count) {
  bool const is_float = H5Tget_class(type) == H5T_FLOAT;
  bool const is_signed = !is_float && H5Tget_sign(type) == H5T_SGN_2;
  std::vector<std::uint64_t> bits(count);
  check_hdf5(H5Aread(attribute,
                     is_float    ? H5T_NATIVE_DOUBLE
                     : is_signed ? H5T_NATIVE_INT64
                                 : H5T_NATIVE_UINT64,
                     bits.data()),
             "H5Aread");
  std::vector<Number> numbers;
  for (std::uint64_t const each : bits) {
    numbers.push_back(is_float    ? Number(std::bit_cast<double>(each))
                      : is_signed ? Number(static_cast<std::int64_t>(each))
                                  : Number(each));
  }
  return numbers;
}

/// Nothing where there is no such attribute; no values where it is not numeric or cannot be read.
std::optional<NumericAttribute> read_numeric(hid_t dataset, char const* name) {
  if (H5Aexists(dataset, name) <= 0) return std::nullopt;
  NumericAttribute found;
  try {
    AttributeHandle const attribute(H5Aopen(dataset, name, H5P_DEFAULT), "H5Aopen");
    TypeHandle const type(H5Aget_type(attribute.get()), "H5Aget_type");
    SpaceHandle const space(H5Aget_space(attribute.get()), "H5Aget_space");
    H5T_class_t const type_class = H5Tget_class(type.get());
    found.is_float = type_class == H5T_FLOAT;
    found.size = H5Tget_size(type.get());
    bool const numeric = type_class == H5T_INTEGER || type_class == H5T_FLOAT;
    hssize_t const count =
        check_hdf5(H5Sget_simple_extent_npoints(space.get()), "H5Sget_simple_extent_npoints");
    if (numeric && count <= 4096) {
      found.values = read_numbers(attribute.get(), type.get(), static_cast<std::size_t>(count));
    }
  } catch (std::runtime_error const&) {
    found.values.clear();
  }
  return found;
}

std::string read_text(hid_t dataset, char const* name) {
  try {
    AttributeHandle const attribute(H5Aopen(dataset, name, H5P_DEFAULT), "H5Aopen");
    TypeHandle const type(H5Aget_type(attribute.get()), "H5Aget_type");
    SpaceHandle const space(H5Aget_space(attribute.get()), "H5Aget_space");
    if (H5Tget_class(type.get()) != H5T_STRING || H5Sget_simple_extent_npoints(space.get()) != 1) {
      return "";
    }
    std::string text;
    if (H5Tis_variable_str(type.get()) > 0) {
      char* characters = nullptr;
      check_hdf5(H5Aread(attribute.get(), type.get(), &characters), "H5Aread");
      if (characters != nullptr) text = characters;
      H5free_memory(characters);
    } else {
      text.resize(H5Tget_size(type.get()));
      check_hdf5(H5Aread(attribute.get(), type.get(), text.data()), "H5Aread");
    }
    return text;
  } catch (std::runtime_error const&) {
    return "";
  }
}

class Hdf5Attributes final : public AttributeSource {
 public:
  explicit Hdf5Attributes(hid_t dataset) : dataset_(dataset) {}
  [[nodiscard]] bool has(char const* name) const override { return H5Aexists(dataset_, name) > 0; }
  [[nodiscard]] std::optional<NumericAttribute> numeric(char const* name) const override {
    return read_numeric(dataset_, name);
  }
  [[nodiscard]] std::string text(char const* name) const override {
    return read_text(dataset_, name);
  }

 private:
  hid_t dataset_;
};

/// Its letters, in lower case.
std::string lower(std::string const& text) {
  std::string letters;
  for (char const c : text) {
    if (c >= 'A' && c <= 'Z') letters += static_cast<char>(c - 'A' + 'a');
    if (c >= 'a' && c <= 'z') letters += c;
  }
  return letters;
}

std::string words(Number number) {
  return number.kind() == ElementKind::kDouble ? fmt::format("{}", number.as_double())
                                               : number.to_string();
}

std::string words(std::vector<Number> const& numbers) {
  std::vector<std::string> each;
  for (Number const number : numbers) each.push_back(words(number));
  return fmt::format("{}", fmt::join(each, " "));
}

/// The integer as an element of that type; nothing where there is none. The other sign's bits mean
/// this one's number, as netCDF's byte has it.
std::optional<Number> as_integer(Number number, Integer type, std::size_t attribute_size) {
  unsigned const bits = 8 * static_cast<unsigned>(type.size);
  std::uint64_t const mask = bits >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
  std::uint64_t const top = mask / 2;  // of the signed type
  bool const negative = number.kind() == ElementKind::kInt64 && number.as_int64() < 0;
  std::uint64_t const value = number.as_uint64();
  if (!type.is_signed) {
    if (!negative) return value <= mask ? std::optional(Number(value)) : std::nullopt;
    return attribute_size == type.size ? std::optional(Number(value & mask)) : std::nullopt;
  }
  auto const wrapped = static_cast<std::int64_t>(value);
  if (negative) {
    bool const fits = wrapped >= -static_cast<std::int64_t>(top) - 1;
    return fits ? std::optional(Number(wrapped)) : std::nullopt;
  }
  if (value <= top) return Number(wrapped);
  if (attribute_size != type.size || value > mask) return std::nullopt;
  return Number(static_cast<std::int64_t>(value | ~mask));
}

std::optional<Number> as_stored(Number number, ElementKind kind, Integer type,
                                std::size_t attribute_size) {
  if (kind == ElementKind::kFloat) {
    return Number(static_cast<double>(static_cast<float>(number.to_double())));
  }
  if (kind == ElementKind::kDouble) return Number(number.to_double());
  if (number.kind() != ElementKind::kDouble) return as_integer(number, type, attribute_size);
  double const value = number.as_double();
  if (!(std::trunc(value) == value && std::abs(value) < 0x1p63)) return std::nullopt;
  return as_integer(Number(static_cast<std::int64_t>(value)), type, 0);
}

/// Reads the attributes one after the other into a Packing.
class Attributes {
 public:
  Attributes(AttributeSource const& source, ElementKind kind, std::size_t size)
      : source_(source), kind_(kind), size_(size) {}

  Packing read() {
    std::size_t present = 0;
    for (char const* name : kNames) present += source_.has(name) ? 1 : 0;
    if (present == 0) return {};
    read_scaling();
    read_sign();
    read_missing("_FillValue");
    read_missing("missing_value");
    read_range();
    packing_.text = fmt::format("{}", fmt::join(said_, ", "));
    return std::move(packing_);
  }

 private:
  [[nodiscard]] bool of_integers() const {
    return kind_ == ElementKind::kInt64 || kind_ == ElementKind::kUint64;
  }
  [[nodiscard]] Integer integer() const { return {size_, kind_ == ElementKind::kInt64}; }

  void read_factor(char const* name, double& into) {
    auto const found = source_.numeric(name);
    if (!found) return;
    if (found->values.size() != 1) {
      packing_.problem = fmt::format(
          "its attribute {} is not one number; with --raw the stored numbers are taken", name);
      return;
    }
    into = found->values.front().to_double();
    said_.push_back(fmt::format("{} {}", name, words(found->values)));
  }

  void read_scaling() {
    read_factor("scale_factor", packing_.scale);
    read_factor("add_offset", packing_.offset);
    packing_.scaled = packing_.scale != 1 || packing_.offset != 0;
  }

  void read_sign() {
    if (!of_integers() || !source_.has("_Unsigned")) return;
    std::string const text = lower(source_.text("_Unsigned"));
    bool const is_signed = kind_ == ElementKind::kInt64;
    if (text != (is_signed ? "true" : "false")) return;
    packing_.other_sign = static_cast<std::uint8_t>(size_);
    kind_ = is_signed ? ElementKind::kUint64 : ElementKind::kInt64;
    said_.push_back(fmt::format("_Unsigned {}", text));
  }

  void read_missing(char const* name) {
    auto const found = source_.numeric(name);
    if (!found) return;
    bool used = false;
    for (Number const number : found->values) {
      if (number.kind() == ElementKind::kDouble && std::isnan(number.as_double())) {
        packing_.missing_nan = packing_.missing_nan || !of_integers();
        used = used || !of_integers();
      } else if (auto const stored = as_stored(number, kind_, integer(), found->size)) {
        packing_.missing.push_back(*stored);
        used = true;
      }
    }
    said_.push_back(used ? fmt::format("{} {}", name, words(found->values))
                         : fmt::format("{} ignored: no element can equal it", name));
  }

  /// Sets a bound of the range in the units that its attribute has.
  void set_bound(NumericAttribute const& from, Number number, bool& has, Number& bound) {
    bool const is_float = from.is_float;
    bool const wider = is_float && (of_integers() || from.size > size_);
    if (wider && packing_.scaled) {
      packing_.range = Packing::Range::kUnpacked;
      bound = Number(number.to_double());
    } else if (is_float || !of_integers()) {
      packing_.range = Packing::Range::kStoredAsDouble;
      bool const round = kind_ == ElementKind::kFloat && from.size > size_;
      double const value = number.to_double();
      bound = Number(round ? static_cast<double>(static_cast<float>(value)) : value);
    } else {
      auto const stored = as_integer(number, integer(), from.size);
      if (!stored) return;  // beyond what an element can be
      packing_.range = Packing::Range::kStored;
      bound = *stored;
    }
    has = !(bound.kind() == ElementKind::kDouble && std::isnan(bound.as_double()));
  }

  void read_range() {
    if (auto const both = source_.numeric("valid_range")) {
      if (both->values.size() == 2) {
        set_bound(*both, both->values[0], packing_.has_low, packing_.low);
        set_bound(*both, both->values[1], packing_.has_high, packing_.high);
        said_.push_back("valid_range " + words(both->values));
        return;
      }
      said_.emplace_back("valid_range ignored: not two numbers");
    }
    read_bound("valid_min", packing_.has_low, packing_.low);
    read_bound("valid_max", packing_.has_high, packing_.high);
  }

  void read_bound(char const* name, bool& has, Number& bound) {
    auto const found = source_.numeric(name);
    if (!found) return;
    if (found->values.size() != 1) {
      said_.push_back(fmt::format("{} ignored: not one number", name));
      return;
    }
    auto const before = packing_.range;
    set_bound(*found, found->values.front(), has, bound);
    if (before != Packing::Range::kNone && before != packing_.range) to_doubles();
    said_.push_back(fmt::format("{} {}", name, words(found->values)));
  }

  /// valid_min and valid_max are of two types: both as doubles.
  void to_doubles() {
    packing_.low = Number(packing_.low.to_double());
    packing_.high = Number(packing_.high.to_double());
    if (packing_.range == Packing::Range::kStored) {
      packing_.range = Packing::Range::kStoredAsDouble;
    }
  }

  AttributeSource const& source_;
  ElementKind kind_;
  std::size_t size_;
  Packing packing_;
  std::vector<std::string> said_;
};

template <class T>
T as(Number number) {
  if constexpr (std::floating_point<T>) {
    return static_cast<T>(number.as_double());
  } else {
    return static_cast<T>(number.as_uint64());
  }
}

/// The values among elements of one type.
template <class T>
std::uint64_t unpack_span(Packing const& packing, std::span<T const> stored, std::uint64_t times,
                          std::function<void(Elements, std::uint64_t)> const& use) {
  constexpr std::size_t kAtOnce = 4096;
  std::array<T, kAtOnce> kept;
  std::array<double, kAtOnce> values;
  std::vector<T> missing;
  for (Number const number : packing.missing) missing.push_back(as<T>(number));
  using Range = Packing::Range;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  bool const exact = packing.range == Range::kStored;
  T const low = exact && packing.has_low ? as<T>(packing.low) : std::numeric_limits<T>::lowest();
  T const high = exact && packing.has_high ? as<T>(packing.high) : std::numeric_limits<T>::max();
  bool const doubles = packing.range == Range::kStoredAsDouble;
  double const bottom = packing.has_low ? packing.low.to_double() : -kInfinity;
  double const top = packing.has_high ? packing.high.to_double() : kInfinity;
  std::uint64_t masked = 0;
  while (!stored.empty()) {
    auto const some = stored.first(std::min(stored.size(), kAtOnce));
    stored = stored.subspan(some.size());
    std::size_t count = 0;
    for (T const element : some) {
      bool keep = !(exact && (element < low || element > high));
      if (doubles) {
        auto const value = static_cast<double>(element);
        keep = keep && !(value < bottom || value > top);
      }
      for (T const none : missing) keep = keep && element != none;
      if constexpr (std::floating_point<T>) {
        keep = keep && !(packing.missing_nan && std::isnan(element));
      }
      kept[count] = element;
      count += keep ? 1 : 0;
    }
    masked += some.size() - count;
    if (!packing.scaled) {
      if (count > 0) use(std::span<T const>(kept.data(), count), times);
      continue;
    }
    for (std::size_t i = 0; i < count; ++i) {
      values[i] = static_cast<double>(kept[i]) * packing.scale + packing.offset;
    }
    if (packing.range == Range::kUnpacked) {
      auto const end =
          std::remove_if(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(count),
                         [&](double value) { return value < bottom || value > top; });
      auto const left = static_cast<std::size_t>(end - values.begin());
      masked += count - left;
      count = left;
    }
    if (count > 0) use(std::span<double const>(values.data(), count), times);
  }
  return masked * times;
}

/// Integers with the bits of those of the other sign.
template <class To, class From>
std::vector<To> with_other_sign(std::span<From const> stored, unsigned bits) {
  std::vector<To> numbers;
  numbers.reserve(stored.size());
  unsigned const unused = 64 - bits;
  for (From const each : stored) {
    auto const shifted = static_cast<std::uint64_t>(each) << unused;
    numbers.push_back(static_cast<To>(shifted) >> unused);  // of a signed one: keeps its sign
  }
  return numbers;
}

}  // namespace

Packing packing_of(hid_t dataset, ElementKind kind, hid_t type) {
  return packing_of(Hdf5Attributes(dataset), kind, H5Tget_size(type));
}

Packing packing_of(AttributeSource const& attributes, ElementKind kind, std::size_t size) {
  return Attributes(attributes, kind, size).read();
}

Packing not_applied(Packing const& packing) {
  Packing raw;
  raw.text = packing.text;
  raw.applied = false;
  return raw;
}

std::uint64_t unpack(Packing const& packing, Elements stored, std::uint64_t times,
                     std::function<void(Elements, std::uint64_t)> const& use) {
  if (packing.is_trivial()) {
    use(stored, times);
    return 0;
  }
  unsigned const bits = 8U * packing.other_sign;
  if (bits > 0) {
    if (auto const* const integers = std::get_if<std::span<std::int64_t const>>(&stored)) {
      auto const numbers = with_other_sign<std::uint64_t>(*integers, bits);
      return unpack_span<std::uint64_t>(packing, numbers, times, use);
    }
    if (auto const* const integers = std::get_if<std::span<std::uint64_t const>>(&stored)) {
      auto const numbers = with_other_sign<std::int64_t>(*integers, bits);
      return unpack_span<std::int64_t>(packing, numbers, times, use);
    }
  }
  return std::visit([&](auto span) { return unpack_span(packing, span, times, use); }, stored);
}

}  // namespace cohort::stats
