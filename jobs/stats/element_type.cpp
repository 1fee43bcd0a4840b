#include "jobs/stats/element_type.h"

#include <algorithm>
#include <array>
#include <functional>
#include <numeric>
#include <stdexcept>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace cohort::stats {
namespace {

/// Compounds in compounds in ...: deeper than any program writes.
constexpr unsigned kDeepest = 32;

H5T_class_t class_of(hid_t type) { return check_hdf5(H5Tget_class(type), "H5Tget_class"); }

TypeHandle super_of(hid_t type) { return {H5Tget_super(type), "H5Tget_super"}; }

unsigned members_of(hid_t type) {
  return static_cast<unsigned>(check_hdf5(H5Tget_nmembers(type), "H5Tget_nmembers"));
}

std::string member_name(hid_t type, unsigned member) {
  char* const name = H5Tget_member_name(type, member);
  if (name == nullptr) throw_hdf5("H5Tget_member_name");
  std::string const copy = name;
  H5free_memory(name);
  return copy;
}

std::vector<hsize_t> array_shape(hid_t type) {
  int const rank = check_hdf5(H5Tget_array_ndims(type), "H5Tget_array_ndims");
  std::vector<hsize_t> shape(static_cast<std::size_t>(rank));
  check_hdf5(H5Tget_array_dims2(type, shape.data()), "H5Tget_array_dims2");
  return shape;
}

bool is_bool(hid_t type) {
  return members_of(type) == 2 && member_name(type, 0) == "FALSE" && member_name(type, 1) == "TRUE";
}

/// How h5py and others write complex numbers: a compound of two floats.
bool is_complex(hid_t type) {
  if (members_of(type) != 2) return false;
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kNames{
      {{"r", "i"}, {"re", "im"}, {"real", "imag"}, {"real", "imaginary"}}};
  std::pair const names(member_name(type, 0), member_name(type, 1));
  for (unsigned member : {0u, 1u}) {
    if (H5Tget_member_class(type, member) != H5T_FLOAT) return false;
  }
  return std::any_of(kNames.begin(), kNames.end(), [&](auto const& each) {
    return each.first == names.first && each.second == names.second;
  });
}

std::string type_without_numbers(hid_t type, H5T_class_t type_class) {
  switch (type_class) {
    case H5T_STRING:
      return H5Tis_variable_str(type) > 0 ? "variable-length string" : "string";
    case H5T_OPAQUE:
      return "opaque";
    case H5T_REFERENCE:
      return "reference";
    case H5T_TIME:
      return "time";
    default:
      return "unknown type";
  }
}

/// One number, of a class that can be one; nothing where it is too wide.
bool describe_number(hid_t type, H5T_class_t type_class, NumericPart& part) {
  std::size_t const size = H5Tget_size(type);
  std::size_t const bits = H5Tget_precision(type);
  switch (type_class) {
    case H5T_FLOAT:
      part.kind = size <= 4 ? ElementKind::kFloat : ElementKind::kDouble;
      part.type = fmt::format("float{}", bits);
      return true;
    case H5T_BITFIELD:
      part.kind = ElementKind::kUint64;
      part.type = fmt::format("bitfield{}", bits);
      part.plain = false;
      return size <= 8;
    case H5T_ENUM: {
      TypeHandle const base = super_of(type);
      bool const numeric = describe_number(base.get(), class_of(base.get()), part);
      part.type = is_bool(type) ? "bool" : "enum " + part.type;
      return numeric;
    }
    default: {
      bool const is_signed = check_hdf5(H5Tget_sign(type), "H5Tget_sign") != H5T_SGN_NONE;
      part.kind = is_signed ? ElementKind::kInt64 : ElementKind::kUint64;
      part.type = fmt::format("{}int{}", is_signed ? "" : "u", bits);
      return size <= 8;
    }
  }
}

/// Goes down into the type. `outer` has the field and the shape so far.
void describe(hid_t type, NumericPart outer, std::string_view remark, unsigned depth,
              ElementParts& into) {
  if (depth > kDeepest) throw std::runtime_error("its type is nested too deeply");
  H5T_class_t const type_class = class_of(type);
  switch (type_class) {
    case H5T_COMPOUND: {
      bool const complex = is_complex(type);
      outer.plain = false;
      for (unsigned member = 0; member < members_of(type); ++member) {
        TypeHandle const inner(H5Tget_member_type(type, member), "H5Tget_member_type");
        NumericPart part = outer;
        part.field.push_back(member_name(type, member));
        char const* const which = member == 0 ? " (real part)" : " (imaginary part)";
        describe(inner.get(), std::move(part), complex ? which : remark, depth + 1, into);
      }
      return;
    }
    case H5T_ARRAY: {
      auto const shape = array_shape(type);
      outer.plain = false;
      outer.shape.insert(outer.shape.end(), shape.begin(), shape.end());
      return describe(super_of(type).get(), std::move(outer), remark, depth + 1, into);
    }
    case H5T_VLEN:
      outer.variable_length = true;
      return describe(super_of(type).get(), std::move(outer), remark, depth + 1, into);
    case H5T_INTEGER:
    case H5T_FLOAT:
    case H5T_BITFIELD:
    case H5T_ENUM:
      break;
    default:
      into.other.push_back({std::move(outer.field), type_without_numbers(type, type_class)});
      return;
  }
  if (!describe_number(type, type_class, outer)) {
    into.other.push_back({std::move(outer.field), outer.type + ", wider than 64 bits"});
    return;
  }
  if (outer.variable_length) outer.type = "variable-length " + outer.type;
  if (!outer.shape.empty()) outer.type += fmt::format("[{}]", fmt::join(outer.shape, ","));
  outer.type += remark;
  into.numeric.push_back(std::move(outer));
}

}  // namespace

hid_t native_type(ElementKind kind) {
  switch (kind) {
    case ElementKind::kFloat:
      return H5T_NATIVE_FLOAT;
    case ElementKind::kDouble:
      return H5T_NATIVE_DOUBLE;
    case ElementKind::kInt64:
      return H5T_NATIVE_INT64;
    case ElementKind::kUint64:
      return H5T_NATIVE_UINT64;
  }
  throw std::logic_error("unknown ElementKind");
}

ElementParts parts_of(hid_t type) {
  ElementParts parts;
  describe(type, {}, "", 0, parts);
  return parts;
}

TypeHandle memory_type(hid_t type, std::span<std::string const> field) {
  H5T_class_t const type_class = class_of(type);
  switch (type_class) {
    case H5T_COMPOUND: {
      int const member = field.empty() ? -1 : H5Tget_member_index(type, field.front().c_str());
      if (member < 0) throw std::runtime_error("its type changed while it was read");
      TypeHandle const stored(H5Tget_member_type(type, static_cast<unsigned>(member)),
                              "H5Tget_member_type");
      TypeHandle const inner = memory_type(stored.get(), field.subspan(1));
      TypeHandle compound(H5Tcreate(H5T_COMPOUND, H5Tget_size(inner.get())), "H5Tcreate");
      check_hdf5(H5Tinsert(compound.get(), field.front().c_str(), 0, inner.get()), "H5Tinsert");
      return compound;
    }
    case H5T_ARRAY: {
      auto const shape = array_shape(type);
      TypeHandle const inner = memory_type(super_of(type).get(), field);
      return {H5Tarray_create2(inner.get(), static_cast<unsigned>(shape.size()), shape.data()),
              "H5Tarray_create2"};
    }
    case H5T_VLEN:
      return {H5Tvlen_create(memory_type(super_of(type).get(), field).get()), "H5Tvlen_create"};
    case H5T_BITFIELD:
      return {H5Tcopy(H5T_NATIVE_B64), "H5Tcopy"};
    default: {
      NumericPart part;
      if (!describe_number(type, type_class, part)) {
        throw std::runtime_error("its type changed while it was read");
      }
      return {H5Tcopy(native_type(part.kind)), "H5Tcopy"};
    }
  }
}

void append_numbers(hid_t memory, std::byte const* data, std::size_t count,
                    std::vector<std::byte>& bytes) {
  if (check_hdf5(H5Tdetect_class(memory, H5T_VLEN), "H5Tdetect_class") == 0) {
    bytes.insert(bytes.end(), data, data + count * H5Tget_size(memory));
    return;
  }
  switch (class_of(memory)) {
    case H5T_COMPOUND: {  // of one member, at its beginning
      TypeHandle const inner(H5Tget_member_type(memory, 0), "H5Tget_member_type");
      return append_numbers(inner.get(), data, count, bytes);
    }
    case H5T_ARRAY: {
      auto const shape = array_shape(memory);
      auto const each =
          std::accumulate(shape.begin(), shape.end(), hsize_t{1}, std::multiplies<>());
      return append_numbers(super_of(memory).get(), data, count * each, bytes);
    }
    default: {
      TypeHandle const inner = super_of(memory);
      for (std::size_t i = 0; i < count; ++i) {
        auto const& element = reinterpret_cast<hvl_t const*>(data)[i];
        append_numbers(inner.get(), static_cast<std::byte const*>(element.p), element.len, bytes);
      }
    }
  }
}

std::string name_of(Field const& field) { return fmt::format("{}", fmt::join(field, ".")); }

}  // namespace cohort::stats
