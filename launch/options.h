// What a user may choose: where workers run, and how one group of them is spawned.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "core/error.h"
#include "core/settings.h"

namespace cohort {

/// How local workers talk to their master.
enum class Transport {
  kUnix,  ///< an inherited Unix socket pair: the fastest on one machine
  kTcp,   ///< a TCP connection over loopback
};

/// Where workers run. `--workers` and `--transport` on the command line of a program that uses
/// start_app; fill it in yourself for a program with a command line of its own.
struct ClusterOptions {
  /// Workers that spawn starts where its options name no number; 0: one for each core that this
  /// process may run on.
  std::uint32_t workers = 0;
  Transport transport = Transport::kUnix;
  Settings settings{};
};

/// Reads "local", "local:N", or "N". Throws std::invalid_argument that says what is allowed.
[[nodiscard]] std::uint32_t parse_workers(std::string const& text);
[[nodiscard]] Transport parse_transport(std::string const& text);
/// The cores in this process's affinity mask.
[[nodiscard]] std::uint32_t usable_cores();
/// This machine's name, "localhost" where it has none.
[[nodiscard]] std::string host_name();

/// Where a worker's stdout or stderr goes.
struct Redirect {
  enum class Mode {
    kForward,   ///< to the master's, each line tagged "[worker 3 host pid] "
    kNull,      ///< nowhere
    kAppend,    ///< to the end of a file
    kTruncate,  ///< to a file, emptied first
  };
  Mode mode = Mode::kForward;
  std::filesystem::path path{};

  [[nodiscard]] static Redirect null() { return {Mode::kNull, {}}; }
  [[nodiscard]] static Redirect append(std::filesystem::path file) {
    return {Mode::kAppend, std::move(file)};
  }
  [[nodiscard]] static Redirect truncate(std::filesystem::path file) {
    return {Mode::kTruncate, std::move(file)};
  }
};

/// Options of one spawn call; all have defaults: `spawn<W>(cluster, {.count = 4}, init)`.
struct SpawnOptions {
  /// How many workers; 0: as many as the cluster's `workers`.
  std::uint32_t count = 0;
  /// Hears, once for each worker, that it ended without being asked to; on the cluster's callback
  /// thread, one call at a time. Without it, such an end is a warning in the log.
  std::function<void(Error const&)> on_failure{};
  /// From the start of the process until its object was constructed.
  std::chrono::milliseconds spawn_timeout{30'000};
  Redirect redirect_stdout{};
  Redirect redirect_stderr{};
  /// Another executable than the running one. It must be the same build.
  std::filesystem::path executable{};
};

}  // namespace cohort
