// A listening socket whose peers must prove the session's secret before anything is read from them.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "launch/handshake_source.h"
#include "launch/runtime.h"
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
  void look_away();
  void greet(UniqueFd socket);
  void finish(HandshakeSource::Outcome& outcome);
  void complain(std::string line);

  Runtime& runtime_;
  std::chrono::milliseconds const handshake_timeout_;
  UniqueFd socket_;
  Endpoint endpoint_;
  Route route_;
  std::vector<std::shared_ptr<HandshakeSource>> handshakes_;
  bool closed_ = false;
  Clock::time_point second_{};
  int lines_in_second_ = 0;
  std::uint64_t left_out_ = 0;
};

}  // namespace cohort
