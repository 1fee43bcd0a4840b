// Which datasets the program's arguments name, and what is known of each before it is read.
// Nothing here throws for bad input: what cannot be read becomes a StatsError.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jobs/stats/number.h"
#include "jobs/stats/packing.h"

namespace cohort::stats {

/// One numeric dataset. A null dataspace has shape {0}, a scalar an empty shape.
struct DatasetInfo {
  std::string file;
  std::string dataset;  ///< absolute path inside the file
  std::string units;    ///< its attribute "units", or ""
  ElementKind kind = ElementKind::kDouble;
  std::vector<std::uint64_t> shape;  ///< slowest dimension first
  std::vector<std::uint64_t> chunk;  ///< empty unless its storage is chunked
  bool filtered = false;             ///< compressed or otherwise encoded chunk by chunk
  /// Where the file holds little of a large dataset: the corners of the chunks that it holds, one
  /// after the other. All other elements have the fill value.
  std::optional<std::vector<std::uint64_t>> stored_chunks;
  Packing packing;  ///< what its attributes say of its numbers

  bool operator==(DatasetInfo const&) const = default;
};

/// What could not be done: one line of text. `dataset` is empty when the whole file failed.
struct StatsError {
  std::string file;
  std::string dataset;
  std::string error;

  bool operator==(StatsError const&) const = default;
};

/// The text with its lines after one another, " | " between them, and no other control characters.
[[nodiscard]] std::string one_line(std::string_view text);

struct Discovery {
  std::vector<DatasetInfo> datasets;
  std::vector<StatsError> errors;
};

/// FILE or FILE:/dataset, taken apart. Where a file has the whole argument for its name, that is
/// meant; else the longest part before a ':' that names a file; else the part before the last ":/".
struct Argument {
  std::string file;
  std::string dataset;  ///< "" for the whole file, else it begins with '/'
};
[[nodiscard]] Argument split_argument(std::string const& argument);

/// The datasets of one argument, in the order of their names. A whole file gives every dataset
/// that a hard link or an external link reaches, once, and an error for each that is not numeric
/// and for each dangling link. netCDF dimensions without values are left out silently.
[[nodiscard]] Discovery discover(std::string const& argument);

/// discover() of each argument in turn.
[[nodiscard]] Discovery discover(std::vector<std::string> const& arguments);

}  // namespace cohort::stats
