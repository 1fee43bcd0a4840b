// The numbers inside the elements of an HDF5 dataset: a type as numeric parts, and the type in
// memory that HDF5 reads one part as. Throws std::runtime_error, one line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <hdf5.h>

#include "jobs/stats/hdf5_handle.h"
#include "jobs/stats/number.h"

namespace cohort::stats {

/// The names of a compound's member, of that one's member, ...; empty for an element that is no
/// compound.
using Field = std::vector<std::string>;

/// Numbers of one kind in each element.
struct NumericPart {
  Field field;
  ElementKind kind = ElementKind::kDouble;
  std::string type;  ///< in words: "float32", "bool", "uint8[3]", "float64 (real part)"
  std::vector<std::uint64_t> shape;  ///< of the arrays that it lies in, outermost first
  bool variable_length = false;      ///< each element has as many as it likes
  bool plain = true;                 ///< an element is one number, which HDF5 converts as such
};

/// What holds no numbers, in words: "string", "opaque", "reference", …
struct OtherPart {
  Field field;
  std::string what;
};

struct ElementParts {
  std::vector<NumericPart> numeric;
  std::vector<OtherPart> other;
};

/// Members of compounds in the order in which the type has them. Enumerations (HDF5's booleans too)
/// and bitfields count as the integers that they are stored as.
[[nodiscard]] ElementParts parts_of(hid_t type);

/// HDF5's own type for numbers of that kind, not to be closed.
[[nodiscard]] hid_t native_type(ElementKind kind);

/// The type in memory of one part, whose numbers lie one after the other in a buffer: numbers of
/// its ElementKind, inside of as many compounds and arrays as the file has. Variable lengths stay
/// hvl_t: see append_numbers().
[[nodiscard]] TypeHandle memory_type(hid_t type, std::span<std::string const> field);

/// Appends the numbers of `count` elements at `data`, read as `memory`, to the end of `bytes`:
/// follows variable lengths, and copies what lies in one piece.
void append_numbers(hid_t memory, std::byte const* data, std::size_t count,
                    std::vector<std::byte>& bytes);

/// "a.b"
[[nodiscard]] std::string name_of(Field const& field);

}  // namespace cohort::stats
