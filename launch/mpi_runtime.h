// MPI in this process: initialised once, ended with the process.
#pragma once

#include <string>

#include "launch/options.h"

namespace cohort::mpi {

/// What is particular to Open MPI 4 (launch/mpi_openmpi4.cpp); another file can serve version 5.
/// Sets, before MPI_Init, what isolation of failures needs. Returns one line that says what was
/// chosen. Throws std::runtime_error where mpirun was started in a way that defeats it.
[[nodiscard]] std::string prepare_master(MpiOptions const& options);

/// MPI_Init_thread, with errors returned rather than fatal. Throws std::runtime_error.
void initialise();
/// MPI_Finalize when the process exits, no longer than a few seconds; the exit status stays what it
/// is. For a master; a worker just ends.
void finalize_at_exit();
/// MPI hangs in a thread of ours: the process will end without MPI_Finalize.
void expect_no_finalize() noexcept;
void expect_finalize_again() noexcept;

[[nodiscard]] std::string describe_error(int error);

}  // namespace cohort::mpi
