#include "launch/mpi_backend.h"

#include <stdexcept>

/// Defined by cohort::mpi, whose link options ask for it.
extern "C" [[gnu::weak]] cohort::MpiBackend* cohort_mpi_backend() noexcept;

namespace cohort {

MpiBackend* mpi_backend() noexcept {
  return cohort_mpi_backend == nullptr ? nullptr : cohort_mpi_backend();
}

MpiBackend& required_mpi_backend() {
  if (auto* const backend = mpi_backend()) return *backend;
  throw std::runtime_error(
      "workers over MPI: this program was built without MPI; link it with cohort::mpi "
      "(target_link_libraries(app cohort::mpi))");
}

}  // namespace cohort
