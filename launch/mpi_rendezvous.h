// What MPI_Comm_spawn of Open MPI 4 waits for from the process that it has started, and how it is
// given that by somebody else, so that a death, a stop or a slow start of that process holds
// nobody up.
#pragma once

#include <string>

namespace cohort::mpi {

/// In a process that MPI_Comm_spawn started: the name of the port where its parent waits. Empty in
/// others.
[[nodiscard]] std::string parent_port();

/// Whether this process can answer in the name of others, which takes the PMIx library that MPI
/// itself uses. After MPI_Init.
[[nodiscard]] bool can_answer_for_others() noexcept;

/// In the parent, before the process at that port initialises MPI: answers all that its
/// MPI_Comm_spawn asks it from inside MPI's progress, where a thread that waits keeps all others
/// waiting. Does not wait itself.
void answer_progress_for(std::string const& port) noexcept;

/// At the end of a process that cannot call MPI_Finalize, which waits for the others: takes leave
/// of the runtime, which complains of those that just end.
void leave_runtime() noexcept;

/// The process at that port will never come: its parent's MPI_Comm_spawn returns an error, where it
/// still waits. Does not wait itself.
void call_off(std::string const& port) noexcept;

}  // namespace cohort::mpi
