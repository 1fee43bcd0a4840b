// A WorkerHandle that is a connection and no more: its worker is another process's, or this one's.
#pragma once

#include <memory>
#include <string>

#include "launch/runtime.h"
#include "launch/worker_handle.h"

namespace cohort {

class ConnectionHandle : public WorkerHandle, public ConnectionHandler {
 public:
  [[nodiscard]] std::shared_ptr<Connection> const& connection() const noexcept override {
    return connection_;
  }
  /// Waits until the connection has ended.
  [[nodiscard]] bool wait_until_ended(Deadline deadline) override {
    return runtime_->engine.wait(ended_, deadline);
  }
  [[nodiscard]] bool ended() const noexcept override { return ended_.ready(); }

 protected:
  explicit ConnectionHandle(std::shared_ptr<Runtime> runtime) : runtime_(std::move(runtime)) {}

  /// Where the handle closes the connection itself.
  void set_ended() noexcept { ended_.set(runtime_->engine); }

  std::shared_ptr<Runtime> const runtime_;
  std::shared_ptr<Connection> connection_;  // set by who connects, before it is started

 private:
  // The other side calls nothing.
  std::shared_ptr<Batch> on_calls(std::shared_ptr<Batch> batch) override { return batch; }
  void on_cancel(CallId) override {}
  void on_shutdown(bool) override {}
  void on_dying(RemoteFailure what) override { dying_of_ = std::move(what); }
  /// How its process ended is its master's to know; what it said before it did is told here too.
  void on_end(End end, std::string text) override {
    if (end == End::kGoodbye) text = "the worker was shut down";
    if (!dying_of_.text.empty()) text = dying_of_.text + "; " + text;
    connection_->fail_pending(
        {ErrorKind::kDisconnected, std::move(text), {}, std::move(dying_of_.exception_type)});
    set_ended();
  }

  RemoteFailure dying_of_;
  Event ended_;
};

}  // namespace cohort
