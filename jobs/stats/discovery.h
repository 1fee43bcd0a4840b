// Which datasets the program's arguments name, and what is known of each before it is read.
// Nothing here throws for bad input: what cannot be read becomes a StatsError.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "jobs/stats/number.h"
#include "jobs/stats/packing.h"

namespace cohort::stats {

/// How a reader gets at the numbers: each element is one; each has as many in its field, arrays or
/// bits; each has as many as it likes; the file is none of HDF5's.
enum class Access : std::uint8_t { kNumbers, kParts, kVariableLength, kNetcdfClassic };

/// The numbers of one dataset, or of one field of a dataset of compounds. A null dataspace has
/// shape {0}, a scalar an empty shape.
struct DatasetInfo {
  std::string file;     ///< the argument's
  std::string dataset;  ///< absolute path, as links lead there, and ".field" where it has fields
  std::string units;    ///< its attribute "units", or ""
  std::string type;     ///< of an element, in words: "float32", "bool", "uint8[3]"
  ElementKind kind = ElementKind::kDouble;
  std::vector<std::uint64_t> shape;  ///< slowest dimension first
  std::vector<std::uint64_t> chunk;  ///< empty unless its storage is chunked
  bool filtered = false;             ///< compressed or otherwise encoded chunk by chunk
  /// Where the file holds little of a large dataset: the corners of the chunks that it holds, one
  /// after the other. All other elements have the fill value.
  std::optional<std::vector<std::uint64_t>> stored_chunks;
  Packing packing;  ///< what its attributes say of its numbers

  Access access = Access::kNumbers;
  std::string real_file;  ///< where it is read from, if not from `file` and `dataset`; else ""
  std::string real_path;
  std::vector<std::string> field;  ///< the member of its compounds, outermost first
  std::uint64_t per_element = 1;   ///< numbers in each element: arrays
  std::string same_as;  ///< another name of this dataset, of which alone it is read; else ""

  bool operator==(DatasetInfo const&) const = default;
};

/// What could not be done: one line of text. `dataset` is empty when the whole file failed.
struct StatsError {
  std::string file;
  std::string dataset;
  std::string error;

  bool operator==(StatsError const&) const = default;
};

/// What holds no numbers and so has no figures: text, an empty group, a name of a group that is
/// entered under another one. No failure.
struct Skipped {
  std::string file;
  std::string dataset;
  std::string reason;

  bool operator==(Skipped const&) const = default;
};

struct Discovery {
  std::vector<DatasetInfo> datasets;
  std::vector<StatsError> errors;
  std::vector<Skipped> skipped;
};

/// FILE or FILE:/dataset, taken apart. Where a file has the whole argument for its name, that is
/// meant; else the longest part before a ':' that names a file; else the part before the last ":/".
struct Argument {
  std::string file;
  std::string dataset;  ///< "" for the whole file, else it begins with '/'
};
[[nodiscard]] Argument split_argument(std::string const& argument);

/// The datasets of one argument, in the order of their names: all of a file, all below a group, or
/// one, or one field of one. Links are followed, external ones into other files too; what several
/// names lead to is listed under each, and read once. What is damaged or missing becomes an error
/// with its name, and the rest is listed. netCDF dimensions without values are left out silently.
[[nodiscard]] Discovery discover(std::string const& argument);

/// discover() of each argument in turn.
[[nodiscard]] Discovery discover(std::vector<std::string> const& arguments);

}  // namespace cohort::stats
