// A start plan on its way to another process of the same user, with its open files.
#pragma once

#include <optional>

#include "core/clock.h"
#include "launch/start_plan.h"

namespace cohort {

/// Over a Unix socket. Throws std::runtime_error or std::system_error.
void send_plan(int socket, StartPlan const& plan, Deadline deadline);
/// Waits for one; nothing where the peer hung up. Its files lie above the numbers under which the
/// process is to inherit them. Throws std::runtime_error for what is no plan.
[[nodiscard]] std::optional<StartPlan> receive_plan(int socket);

}  // namespace cohort
