// A way to a worker that somebody else spawned: a connection of its own, with its own session.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "launch/connection_handle.h"
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

class RemoteClient : public ConnectionHandle {
 public:
  /// Connects and proves the session's secret. Throws Error (kDisconnected where nobody is there
  /// or it hangs up, kRefused where it is another program or of another session, kTimedOut after
  /// handshake_timeout).
  static std::shared_ptr<RemoteClient> connect(std::shared_ptr<Runtime> runtime,
                                               WorkerAddress const& address);
  explicit RemoteClient(std::shared_ptr<Runtime> runtime) : ConnectionHandle(std::move(runtime)) {}
  ~RemoteClient() override;

  /// Closes the connection; the worker lives on.
  void release() override;
  void shut_down() override { connection_->send_control(FrameKind::kShutdown); }
  [[noreturn]] void kill() override;
  void drop_connection() override;
};

}  // namespace cohort
