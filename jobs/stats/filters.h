// The filters (compression and the like) of a dataset, and where those come from that are missing.
#pragma once

#include <hdf5.h>

namespace cohort::stats {

/// Throws std::runtime_error, one line, for the first of the dataset's filters that this HDF5 does
/// not have: its number, its name and the package that has it. `creation` is the dataset's creation
/// property list.
void require_filters(hid_t creation);

}  // namespace cohort::stats
