// What a Worker<W> holds: a way to a worker, whether it is a process of ours, one that somebody
// else spawned, or an object in this process. Any thread.
#pragma once

#include <memory>
#include <optional>

#include "core/clock.h"
#include "core/connection.h"
#include "core/error.h"

namespace cohort {

/// Why a call fails whose handle went before its answer came.
inline constexpr char kHandleIsGone[] =
    "the handle on this worker was destroyed before the answer came: keep the Worker until then "
    "(one "
    "that is not given a name is destroyed at the end of its statement)";

class WorkerHandle {
 public:
  virtual ~WorkerHandle() = default;

  /// Good once the worker is.
  [[nodiscard]] virtual std::shared_ptr<Connection> const& connection() const noexcept = 0;
  /// The last Worker<W> that held it is gone.
  virtual void release() = 0;
  /// Asks the worker to end. Returns at once; idempotent.
  virtual void shut_down() = 0;
  /// Ends it without asking. Throws Error (kRefused) where that is not ours to do.
  virtual void kill() = 0;
  /// Ends the connection, as a network that fails would. Throws Error (kRefused) where the worker
  /// would end with it.
  virtual void drop_connection() = 0;
  /// Waits until it is gone, or at least out of reach. Returns whether that is so.
  [[nodiscard]] virtual bool wait_until_ended(Deadline deadline) = 0;
  [[nodiscard]] virtual bool ended() const noexcept = 0;
  /// How its process ended, once it did and where that is known.
  [[nodiscard]] virtual std::optional<ExitReport> exit_report() const { return std::nullopt; }

 protected:
  /// For drop_connection().
  [[noreturn]] void refuse_to_drop() const {
    throw Error(ErrorKind::kRefused,
                "only a connection that connect() made can be dropped: this worker would end with "
                "it (shut_down() and kill() say how)",
                connection()->peer());
  }
};

}  // namespace cohort
