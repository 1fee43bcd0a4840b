// Where links lead, across files. HDF5 could follow them itself, but not into a file that needs to
// be opened in another way than the first, nor does it say which of several links is broken.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>

#include "jobs/stats/hdf5_handle.h"

namespace cohort::stats {

/// The files of one walk. They stay open, and each has one entry whatever it is called.
class LinkedFiles {
 public:
  struct File {
    FileHandle handle;
    std::string name;      ///< that it was opened by first
    std::uint64_t number;  ///< 0, 1, …
  };
  /// A path without soft and external links, in the file that has it.
  struct Target {
    File const* file;
    std::string path;
  };

  File const* keep(FileHandle file, std::string const& name);

  /// Follows all links of a path that begins at `from`, or at its file's root where it begins
  /// with '/'. Throws std::runtime_error, one line: which link is missing or broken, and why.
  [[nodiscard]] Target resolve(Target const& from, std::string const& path);

 private:
  std::deque<File> files_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, File const*> by_inode_;  // device, inode

  Target resolve(Target at, std::string const& path, unsigned links);
  Target follow(Target const& group, std::string const& link_path, int type, unsigned links);
};

/// "/a" and "b" to "/a/b"
[[nodiscard]] std::string below(std::string const& path, std::string const& name);

}  // namespace cohort::stats
