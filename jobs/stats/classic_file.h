// The header of a netCDF classic file: CDF-1, CDF-2 (64-bit offset) and CDF-5, after "NetCDF
// Classic Format Specification" and the CDF-5 specification of PnetCDF. HDF5 has no part in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "jobs/stats/number.h"

namespace cohort::stats {

/// nc_type as files have it.
enum class ClassicType : std::uint32_t {
  kByte = 1,
  kChar,
  kShort,
  kInt,
  kFloat,
  kDouble,
  kUbyte,  // this and what follows in CDF-5 alone
  kUshort,
  kUint,
  kInt64,
  kUint64,
};

/// Bytes of one element in the file.
[[nodiscard]] std::size_t stored_size(ClassicType type);
/// "int16", "char", …
[[nodiscard]] char const* name_of(ClassicType type);
/// The kind of an element in memory; kChar has none.
[[nodiscard]] ElementKind element_kind(ClassicType type);

struct ClassicAttribute {
  std::string name;
  ClassicType type = ClassicType::kChar;
  std::vector<std::byte> values;  ///< big-endian, as stored; cut after some thousand bytes
};

struct ClassicVariable {
  std::string name;
  ClassicType type = ClassicType::kByte;
  std::vector<std::uint64_t> shape;
  std::vector<std::uint64_t> strides;  ///< in bytes, for each dimension
  std::uint64_t begin = 0;             ///< where the first element is
  std::vector<ClassicAttribute> attributes;

  /// Null where there is none.
  [[nodiscard]] ClassicAttribute const* find(std::string const& attribute) const noexcept;
  /// The attribute "units", or another text; "" where there is none.
  [[nodiscard]] std::string text(std::string const& attribute) const;
  /// The end of the last element; nothing where that is beyond 2^63.
  [[nodiscard]] std::optional<std::uint64_t> end() const;
};

/// An open file: a resource.
class ClassicFile {
 public:
  /// Throws std::runtime_error, one line, where it cannot be opened or its header is damaged.
  explicit ClassicFile(std::string const& path);
  ClassicFile(ClassicFile const&) = delete;
  ClassicFile& operator=(ClassicFile const&) = delete;
  ~ClassicFile();

  [[nodiscard]] std::vector<ClassicVariable> const& variables() const noexcept {
    return variables_;
  }
  /// By its name; null where there is none.
  [[nodiscard]] ClassicVariable const* find(std::string const& name) const noexcept;
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

  /// Fills the buffer from the file's bytes at `offset`. Throws where the file ends before.
  void read(std::uint64_t offset, void* buffer, std::size_t size) const;

 private:
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
  std::vector<ClassicVariable> variables_;

  void read_header();
};

}  // namespace cohort::stats
