// A worker's life: who am I, join the master, serve calls until told to end or the master is gone.
#pragma once

#include <optional>

#include "launch/app_types.h"

namespace cohort {

/// True in a process that a master started as a worker, until run_worker has begun.
[[nodiscard]] bool is_worker_process() noexcept;

/// Serves until the end, and returns the exit code of the process (see run_worker<Ws...>). Once;
/// where no master started this process, a line on stderr says so, and it returns 75.
[[nodiscard]] int run_worker(AppTypes types);

}  // namespace cohort
