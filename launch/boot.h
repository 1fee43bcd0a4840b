// What a worker's process is told at its start, through an inherited pipe: who it is, whom to
// connect to, and the session's secret.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/ids.h"
#include "core/settings.h"
#include "launch/options.h"
#include "launch/secret.h"
#include "transports/socket.h"

namespace cohort {

/// The environment variable that makes a process a worker: the number of the pipe's descriptor, a
/// colon, and the pid of the process with which it is to die, 0 where it is to outlive it.
inline constexpr char kWorkerVariable[] = "COHORT_WORKER";

struct BootRecord {
  Secret secret;
  WorkerId id;
  std::uint32_t serial = 0;     ///< under which the master knows the process
  std::int32_t parent_pid = 0;  ///< the master's; 0 where it is not the worker's parent
  int inherited_socket = -1;    ///< the control connection, or -1: connect to `master`
  Endpoint master;
  bool over_mpi = false;  ///< calls travel over MPI
  Transport transport{};  ///< of the worker's own listener and workers
  Settings settings;
  ShutdownOn shutdown_on{};
  std::optional<unsigned> umask;
  bool forwards_stderr = false;  ///< the master does, to its own
};

/// At most 64 KiB, so that it fits a pipe's buffer.
[[nodiscard]] std::vector<std::byte> to_bytes(BootRecord const& record);
/// Reads the pipe to its end and closes it. Throws std::runtime_error with one line.
[[nodiscard]] BootRecord read_boot_record(UniqueFd pipe, Deadline deadline);

}  // namespace cohort
