// Between a worker over MPI and the runtime's server: an agent passes on what they say to each
// other, so that the server never sees a client die in the middle of connecting to it. Needs no
// MPI.
#pragma once

#include <string>
#include <vector>

namespace cohort {

/// Has a process with these variables ("NAME=value") reach its PMIx server through this one, by a
/// thread that lives as long as this process does. Where that cannot be, or the variables name no
/// server that it knows how to reach, they stay as they are.
void relay_runtime(std::vector<std::string>& environment) noexcept;

/// Before this process ends, and once those are gone that it relayed: waits until the server has
/// seen that; a few seconds at most.
void finish_relays() noexcept;

}  // namespace cohort
