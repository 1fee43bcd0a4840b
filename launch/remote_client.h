// A way to a worker that somebody else spawned: a connection of its own, with its own session.
#pragma once

#include <memory>
#include <string>

#include "launch/runtime.h"
#include "launch/worker_handle.h"
#include "transports/socket.h"

namespace cohort {

/// Where a worker is to be found by the processes of its session. Travels as an argument.
struct WorkerAddress {
  std::vector<std::uint32_t> path{};  ///< of its id
  std::string name{};
  std::string host{};
  int pid = 0;
  Endpoint endpoint{};
  Settings settings{};  ///< the server's, which its clients use as well

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& path& name& host& pid& endpoint& settings;
  }
};

class RemoteClient : public WorkerHandle,
                     public ConnectionHandler,
                     public std::enable_shared_from_this<RemoteClient> {
 public:
  /// Connects and proves the session's secret. Throws Error (kDisconnected where nobody is there,
  /// kRefused where it will not have us, kTimedOut after handshake_timeout).
  static std::shared_ptr<RemoteClient> connect(std::shared_ptr<Runtime> runtime,
                                               WorkerAddress const& address);
  explicit RemoteClient(std::shared_ptr<Runtime> runtime) : runtime_(std::move(runtime)) {}
  ~RemoteClient() override;

  [[nodiscard]] std::shared_ptr<Connection> const& connection() const noexcept override {
    return connection_;
  }
  /// Closes the connection; the worker lives on.
  void release() override;
  void shut_down() override { connection_->send_control(FrameKind::kShutdown); }
  [[noreturn]] void kill() override;
  /// Waits until the connection has ended.
  [[nodiscard]] bool wait_until_ended(Deadline deadline) override;
  [[nodiscard]] bool ended() const noexcept override { return ended_.ready(); }

 private:
  std::shared_ptr<Batch> on_calls(std::shared_ptr<Batch> batch) override { return batch; }
  void on_cancel(CallId) override {}
  void on_shutdown() override {}
  void on_dying(RemoteFailure) override {}
  void on_end(End end, std::string text) override;

  std::shared_ptr<Runtime> const runtime_;
  std::shared_ptr<Connection> connection_;
  Event ended_;
};

}  // namespace cohort
