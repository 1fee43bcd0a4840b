// Puts bytes into a file so that the name shows the old content or the new, never a part.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace cohort::stats {

/// Whether write_whole_file may write `path`, asked before the work whose result it will get:
/// throws std::runtime_error naming `path` and the reason where it exists and is no regular file (a
/// link counts as what it points to; one that dangles is refused), where it is one of the `inputs`
/// (by device and inode), and where its folder does not exist.
void check_output(std::string const& path, std::vector<std::string> const& inputs);

/// Writes a temporary file beside `path` (beside what that points to, where it is a link), syncs
/// it, renames it, and syncs the folder. Throws std::runtime_error naming `path`, the call and the
/// reason; then nothing is left behind, nor where SIGTERM, SIGINT or SIGHUP ends the process.
void write_whole_file(std::string const& path, std::span<std::byte const> bytes);

}  // namespace cohort::stats
