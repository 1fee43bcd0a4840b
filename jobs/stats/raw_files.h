// Whether the raw files of a dataset are whole that keeps its data outside of its HDF5 file: HDF5
// reads zeros where such a file ends early, and says nothing.
#pragma once

#include <hdf5.h>

namespace cohort::stats {

/// Throws std::runtime_error, one line, where a raw file of the dataset is missing or too short,
/// and names it. Does nothing for a dataset without such files.
void require_raw_files(hid_t dataset);

}  // namespace cohort::stats
