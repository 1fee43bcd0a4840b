// A worker in this process: the same typed calls, over a channel in memory, run by a thread.
#pragma once

#include <memory>
#include <thread>

#include "launch/server.h"
#include "launch/worker_handle.h"

namespace cohort {

class ServedWorker : public WorkerHandle, public ConnectionHandler {
 public:
  ServedWorker(std::shared_ptr<Runtime> runtime, WorkerId id, Settings const& settings,
               SpawnOptions const& options);
  ~ServedWorker() override;

  [[nodiscard]] std::shared_ptr<Connection> const& connection() const noexcept override {
    return connection_;
  }
  void release() override;
  void shut_down() override;
  /// A thread cannot be killed: the worker is asked to end.
  void kill() override { shut_down(); }
  [[nodiscard]] bool wait_until_ended(Deadline deadline) override;
  [[nodiscard]] bool ended() const noexcept override { return ended_.ready(); }

 private:
  std::shared_ptr<Batch> on_calls(std::shared_ptr<Batch> batch) override { return batch; }
  void on_cancel(CallId) override {}
  void on_shutdown() override {}
  void on_dying(RemoteFailure) override {}
  void on_end(End end, std::string text) override;

  std::shared_ptr<Runtime> const runtime_;
  std::shared_ptr<Server> const server_;
  std::shared_ptr<Connection> connection_;
  Event ended_;
  std::thread thread_;
};

}  // namespace cohort
