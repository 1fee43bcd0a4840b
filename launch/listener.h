// A listening socket whose peers must prove the session's secret before anything is read from them.
// A Unix socket takes those of this process's user alone: its name is open to everybody.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "launch/handshake_source.h"
#include "launch/runtime.h"
#include "launch/strangers.h"
#include "transports/peer.h"
#include "transports/socket.h"

namespace cohort {

inline constexpr int kListenBacklog = 1024;

class Listener : public Source {
 public:
  /// What became of a peer: its claim is proved where `refusal` is empty. False where it is nobody
  /// that was expected. Under the I/O lock.
  using Route = std::function<bool(HandshakeSource::Outcome& outcome)>;

  Listener(Runtime& runtime, std::chrono::milliseconds handshake_timeout,
           std::pair<UniqueFd, Endpoint> socket, Route route);

  [[nodiscard]] Endpoint const& endpoint() const noexcept { return endpoint_; }
  [[nodiscard]] int descriptor() const noexcept override { return socket_.get(); }
  bool on_readable() noexcept override;

  /// Attaches it to the engine, and detaches it: no handshake goes on after close(). Any thread.
  void open();
  void close();

 private:
  void look_away(std::chrono::milliseconds pause);
  [[nodiscard]] bool greet(UniqueFd socket);
  void finish(HandshakeSource::Outcome& outcome, SocketPeer peer);
  void complain(SocketPeer peer, std::string reason);

  Runtime& runtime_;
  std::chrono::milliseconds const handshake_timeout_;
  UniqueFd socket_;
  Endpoint endpoint_;
  Route route_;
  std::map<std::uint64_t, std::pair<Strangers::Ticket, std::shared_ptr<HandshakeSource>>>
      handshakes_;  // by the tickets' numbers
  bool closed_ = false;
};

}  // namespace cohort
