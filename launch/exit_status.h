// How a child has ended, also where something else in this program took its exit status.
#pragma once

#include <optional>

#include "core/error.h"

namespace cohort {

/// Reaps the child, where nobody else has. Nothing while it runs, unless `waits`. Where the system
/// does not say how it ended, the report says why (ExitReport::unknown).
[[nodiscard]] std::optional<ExitReport> take_exit(int pidfd, bool waits = false);

/// From now on ends of children are kept until somebody asks: a program that ignores SIGCHLD passes
/// that on to what it starts.
void keep_exit_statuses() noexcept;

}  // namespace cohort
