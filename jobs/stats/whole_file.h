// Puts bytes into a file so that the name shows the old content or the new, never a part.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace cohort::stats {

/// Writes a temporary file beside `path`, syncs it, renames it, and syncs the folder. Throws
/// std::runtime_error naming `path`, the call and the reason; then nothing is left behind.
void write_whole_file(std::string const& path, std::span<std::byte const> bytes);

}  // namespace cohort::stats
