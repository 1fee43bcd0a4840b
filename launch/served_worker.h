// A worker in this process: the same typed calls, over a channel in memory, run by a thread.
#pragma once

#include <memory>
#include <thread>

#include "launch/connection_handle.h"
#include "launch/server.h"

namespace cohort {

class ServedWorker : public ConnectionHandle {
 public:
  ServedWorker(std::shared_ptr<Runtime> runtime, WorkerId id, Settings const& settings,
               SpawnOptions const& options);
  ~ServedWorker() override;

  void release() override { shut_down(); }
  void shut_down() override { server_->stop(); }
  /// A thread cannot be killed: the worker is asked to end.
  void kill() override { shut_down(); }

 private:
  void die_of(RemoteFailure what, OnFailure const& on_failure);

  std::shared_ptr<Server> const server_;
  std::thread thread_;
};

}  // namespace cohort
