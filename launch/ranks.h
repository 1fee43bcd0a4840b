// The ranks of an MPI job as workers: `mpirun --enable-recovery -n N app --workers ranks`. Rank 0
// is the master. Each other rank's process becomes an agent (launch/agent.h), which starts its
// worker at once: MPI_Init is collective, and nobody knows yet what the worker will be. It
// initialises MPI and waits; when the master spawns, it is given a plan through its agent and takes
// it on. A worker that ends in an orderly way leaves its process waiting for the next one; with one
// that dies the rank is lost.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string_view>

#include "core/clock.h"
#include "launch/agent_hall.h"
#include "launch/mpi_backend.h"
#include "launch/options.h"
#include "transports/socket.h"

namespace cohort {

/// With Launcher::kRanks, in a rank other than 0: is its agent until its workers have ended, and
/// does not return. Elsewhere nothing, but that rank 0 can be found from now on. run_master calls
/// it; a program that makes its Cluster by itself calls it before. Throws std::system_error.
void run_as_rank(ClusterOptions const& options);

/// What ends the value of kWorkerVariable in a process that waits to be told who it is.
inline constexpr std::string_view kWaits = ":waits";
/// In such a process: initialises MPI, waits for a plan, takes it on, and calls `serve` with the
/// number of workers that it has been before; again, as long as that returns 0. The environment
/// then says what that of a process would say which the plan had started. Returns the exit code.
/// Throws std::runtime_error or std::system_error.
[[nodiscard]] int run_waiting_worker(std::function<int(std::uint32_t life)> const& serve);

/// The master's side: which ranks are still to have. Any thread.
class RankPool {
 public:
  /// This process's only one, made by the first call. Throws std::system_error.
  [[nodiscard]] static RankPool& of(MpiBackend::JobPlace const& place);

  struct Rank {
    std::uint32_t number = 0;
    std::uint32_t life = 0;  ///< how many workers it has been before
    UniqueFd agent;          ///< once it has come
  };
  /// A rank that has been no worker yet, in order, or else one that is none any more. While there
  /// is none, waits for those whose workers were asked to end; nothing where no rank comes of that.
  [[nodiscard]] std::optional<Rank> take(Deadline deadline);
  /// Waits for the agent of one that was taken, which comes back to this pool once its worker has
  /// ended. Without a socket where it does not come.
  [[nodiscard]] AgentHandle agent_of(Rank rank, Deadline deadline);
  /// Ranks that are workers, or may be one again.
  [[nodiscard]] std::uint32_t alive();

 private:
  class Lender;

  explicit RankPool(MpiBackend::JobPlace const& place);

  AgentHall hall_;
  std::uint32_t const ranks_;
  std::mutex mutex_;
  std::uint32_t next_ = 1;
  std::deque<Rank> returned_;
  int expected_ = 0;  // workers that were asked to end
  std::uint32_t lost_ = 0;
  std::condition_variable changed_;
};

}  // namespace cohort
