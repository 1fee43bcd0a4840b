// What a file is by its first bytes, for those who give the program something else than it reads.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace cohort::stats {

/// Bytes that foreign_format() wants of the beginning of a file.
inline constexpr std::size_t kHeadSize = 264;

/// "it is GRIB: …", with what to do about it; empty where the first bytes say nothing.
[[nodiscard]] std::string foreign_format(std::string_view head);

/// The same for a directory: Zarr stores are directories.
[[nodiscard]] std::string foreign_directory(std::string const& path);

/// Whether the file is netCDF classic: CDF-1, CDF-2 (64-bit offset) or CDF-5.
[[nodiscard]] bool is_netcdf_classic(std::string_view head);

}  // namespace cohort::stats
