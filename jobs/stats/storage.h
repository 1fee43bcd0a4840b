// How much of a dataset its file holds: what was never written has the fill value and is counted,
// not read. Throws std::runtime_error, one line.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <hdf5.h>

namespace cohort::stats {

/// Throws where a dataset of that shape has 2^64 elements or more: HDF5 makes such, and counts
/// them wrongly.
void require_countable(std::vector<std::uint64_t> const& shape);

/// Whether the file has room for a dataset that is not cut into chunks. One with raw files of its
/// own and a virtual one have theirs elsewhere: true.
[[nodiscard]] bool is_stored(hid_t dataset, hid_t creation);

/// DatasetInfo::stored_chunks. `chunk` is empty unless the storage is chunked. Nothing where most
/// of it is there, or where it is small: then a reader looks for each chunk.
[[nodiscard]] std::optional<std::vector<std::uint64_t>> stored_chunks(
    hid_t dataset, hid_t creation, std::vector<std::uint64_t> const& shape,
    std::vector<std::uint64_t> const& chunk);

}  // namespace cohort::stats
