// A WorkerHandle that is a connection and no more: its worker is another process's, or this one's.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

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
  /// Calls it once, when the connection is lost: at once where it is, never where this handle
  /// closes it. Under the I/O lock.
  void when_lost(std::function<void()> tell) {
    runtime_->engine.run_locked([&] {
      if (ended()) return tell();
      tell_of_loss_ = std::move(tell);
    });
  }

 protected:
  explicit ConnectionHandle(std::shared_ptr<Runtime> runtime) : runtime_(std::move(runtime)) {}

  /// Where the handle closes the connection itself.
  void set_ended() noexcept { ended_.set(runtime_->engine); }
  /// Under the I/O lock.
  void lose() {
    set_ended();
    if (auto const tell = std::exchange(tell_of_loss_, nullptr)) tell();
  }
  void tell_nobody() {
    runtime_->engine.run_locked([this] { tell_of_loss_ = nullptr; });
  }

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
    lose();
  }

  RemoteFailure dying_of_;
  std::function<void()> tell_of_loss_;
  Event ended_;
};

}  // namespace cohort
