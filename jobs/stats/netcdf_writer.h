// Writes a netCDF-4 file with HDF5 alone, in a form that netCDF's tools read, rename and append to,
// and that Octave and R read: docs/decisions/0009-statistics-of-any-file.md says what they need.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <hdf5.h>

#include "jobs/stats/hdf5_handle.h"

namespace cohort::stats {

/// A dimension that has no values of its own.
struct NetcdfDimension {
  DatasetHandle scale;
  hsize_t size;
};

/// What a variable is called and means. Units are left out where there are none.
struct NetcdfDescription {
  char const* name;
  char const* long_name;
  std::optional<std::string> units;
  /// For numbers 0, 1, … of type signed char that stand for these words; empty for others.
  std::vector<std::string> flag_meanings = {};
};

class NetcdfWriter {
 public:
  using Axes = std::initializer_list<NetcdfDimension const*>;

  /// A file in memory: a full disk then shows in plain write(), not in HDF5's caches.
  NetcdfWriter();

  [[nodiscard]] hid_t root() const noexcept { return file_.get(); }
  [[nodiscard]] GroupHandle make_group(char const* name);

  /// `size` > 0: an axis of length 0 would be an unlimited one to netCDF.
  [[nodiscard]] NetcdfDimension make_dimension(hid_t group, char const* name, std::size_t size);
  /// `type` is the type of `data`, and the one that is stored. Floats get NaN as _FillValue.
  void write(hid_t group, NetcdfDescription const& description, Axes axes, hid_t type,
             void const* data);
  void write_texts(hid_t group, NetcdfDescription const& description, NetcdfDimension const& axis,
                   std::vector<std::string> const& texts);

  /// Text as valid UTF-8, cut when it is long.
  static void set_attribute(hid_t object, char const* name, std::string_view text);

  /// The whole file.
  [[nodiscard]] std::vector<std::byte> image() const;

 private:
  FileHandle file_;
  int dimensions_ = 0;
};

}  // namespace cohort::stats
