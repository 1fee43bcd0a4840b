#include "tests/conformance/conformance.h"

namespace conformance {

std::vector<Place> places() {
  return {{"mpi_spawn", {.launcher = cohort::Launcher::kMpi, .mpi = {.oversubscribe = true}}}};
}

}  // namespace conformance
