// Files that other files name: the sources of virtual datasets, the targets of external links.
#pragma once

#include <string>

#include "jobs/stats/hdf5_handle.h"

namespace cohort::stats {

struct SourceFile {
  FileHandle file;
  std::string name;  ///< that it was opened by
};

/// Opens `name` as the file `from` means it, in the places where HDF5 looks, in its order:
/// as it is where it is absolute, the folders that the environment variable `prefixes` lists, the
/// folder of `from`, the working directory, the folder of what `from` is a link to.
/// Throws what is wrong with the first one that is there, else that there is no such file.
[[nodiscard]] SourceFile open_source(std::string const& name, std::string const& from,
                                     char const* prefixes);

}  // namespace cohort::stats
