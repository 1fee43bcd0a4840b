// A worker in this process: the same typed calls, over a channel in memory, run by a thread.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "launch/connection_handle.h"
#include "launch/server.h"

namespace cohort {

class ServedWorker : public ConnectionHandle {
 public:
  /// Its object is not constructed yet. The last owner may let go of it on any thread, also in a
  /// callback or in on_failure: what its end has to wait for is then waited for elsewhere.
  [[nodiscard]] static std::shared_ptr<ServedWorker> start(std::shared_ptr<Runtime> runtime,
                                                           WorkerId id, Settings const& settings,
                                                           SpawnOptions const& options);
  ~ServedWorker() override;

  /// Its destructor, which comes next, ends the worker.
  void release() override {}
  void shut_down() override { server_->stop(); }
  /// A thread cannot be killed: the worker is asked to end.
  void kill() override { shut_down(); }
  [[noreturn]] void drop_connection() override { refuse_to_drop(); }

 private:
  ServedWorker(std::shared_ptr<Runtime> runtime, WorkerId id, Settings const& settings,
               SpawnOptions const& options);

  static void end(ServedWorker* worker);
  static void end_elsewhere(ServedWorker* worker, std::shared_ptr<Runtime> const& runtime) noexcept;
  void finish_what_was_sent();
  [[nodiscard]] bool waits_for_this_thread() const;
  void fail_what_waits(Deadline deadline);
  void die_of(RemoteFailure what, OnFailure const& on_failure);

  std::shared_ptr<Server> const server_;
  std::shared_ptr<Connection> inner_;  ///< the server's side of connection()
  std::atomic<bool> failed_{false};
  /// Set by what failed first, before it stops.
  Error why_{ErrorKind::kDisconnected, "the worker was shut down"};
  std::thread thread_;
};

}  // namespace cohort
