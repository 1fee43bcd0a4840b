// Whether the sources of a virtual dataset are there: HDF5 reads fill values in place of a source
// that it cannot open, and says nothing. Throws std::runtime_error with one line.
#pragma once

#include <string>

#include <hdf5.h>

namespace cohort::stats {

/// Throws where a source of the dataset, or a source of one, cannot be opened, and names it; does
/// nothing for a dataset that is not virtual. `file_name` is what `file` was opened by. Sources
/// whose names are patterns (%b) are as many as there are, so none of those can be missing.
void require_virtual_sources(hid_t file, std::string const& file_name, hid_t dataset);

}  // namespace cohort::stats
