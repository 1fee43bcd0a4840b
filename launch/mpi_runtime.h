// MPI in this process: initialised once, ended with the process.
#pragma once

#include <optional>
#include <string>

#include "launch/mpi_backend.h"
#include "launch/options.h"

namespace cohort::mpi {

/// What is particular to Open MPI 4 (launch/mpi_openmpi4.cpp); another file can serve version 5.
/// Sets, before MPI_Init, what isolation of failures needs. Returns one line that says what was
/// chosen. Throws std::runtime_error where mpirun was started in a way that defeats it.
[[nodiscard]] std::string prepare_master(Launcher launcher, MpiOptions const& options);
/// The same in the other ranks of a job, of which rank 0 has said it all.
void prepare_rank(MpiOptions const& options);
/// The exit status of mpirun will not be 0 either.
void tell_mpirun_of_failure() noexcept;
/// The same from outside, should this process end without having said that it is no crash.
/// Idempotent. It forks, so before other threads run.
void have_mpirun_told_of_a_crash() noexcept;
void say_that_this_is_no_crash() noexcept;

[[nodiscard]] std::optional<MpiBackend::JobPlace> place_in_job();

/// MPI_Init_thread, with errors returned rather than fatal; nothing where that was done. Throws
/// std::runtime_error.
void initialise();
/// The same in a thread of its own, since it waits for all ranks of the job. Throws
/// std::runtime_error also where that takes too long; the process then ends without MPI_Finalize.
void initialise_in_time();
/// When the process exits: MPI_Finalize, where MPI was initialised, no longer than a few seconds;
/// the exit status stays what it is, and mpirun hears of it. For a master; a worker just ends.
/// Idempotent.
void finalize_at_exit();
/// MPI_Finalize would wait for the job's other ranks, which just end.
void leave_finalize_out() noexcept;
/// mpirun of Open MPI 4 waits for ever for the process of a spawn that had failed for want of a
/// slot: it is asked to end when this process does. Its exit status is 1 then.
void note_that_mpirun_waits() noexcept;
/// Before a call of MPI that may hang, and after it. A process that ends meanwhile waits for it for
/// a while, and ends without MPI_Finalize where it hangs. False where the process is ending: the
/// call is not to be made, for mpirun would hang over what it asks for.
[[nodiscard]] bool begin_call() noexcept;
void end_call() noexcept;

[[nodiscard]] std::string describe_error(int error);

}  // namespace cohort::mpi
