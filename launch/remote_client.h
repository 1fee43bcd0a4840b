// A way to a worker that somebody else spawned: a connection of its own, with its own session.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "launch/connection_handle.h"
#include "transports/socket.h"

namespace cohort {

/// What WorkerId::to_string() made of it. Throws std::invalid_argument.
[[nodiscard]] std::vector<std::uint32_t> parse_worker_path(std::string const& id);

/// Where a worker is to be found by the processes of its session. Travels as an argument.
struct WorkerAddress {
  std::vector<std::uint32_t> path{};  ///< of its id
  std::string name{};
  std::string host{};
  int pid = 0;
  Endpoint endpoint{};
  Settings settings{};  ///< the server's, which its clients use as well

  /// For any archive of Boost's.
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    auto id = WorkerId(path).to_string();  // "master" for the empty one
    archive& make_nvp("id", id);
    if constexpr (Archive::is_loading::value) path = parse_worker_path(id);
    archive& make_nvp("name", name) & make_nvp("host", host) & make_nvp("pid", pid) &
        make_nvp("endpoint", endpoint) & make_nvp("settings", settings);
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
