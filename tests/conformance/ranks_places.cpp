#include "tests/conformance/conformance.h"

namespace conformance {

/// Under mpirun -n N: the first workers are ranks, and where those do not suffice, spawned.
std::vector<Place> places() {
  return {{"mpi_ranks",
           {.launcher = cohort::Launcher::kRanks,
            .mpi = {.oversubscribe = true, .replace_ranks = true}}}};
}

}  // namespace conformance
