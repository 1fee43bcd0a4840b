// A socket whose peer has yet to prove who it is: runs the master's side of the handshake on the
// engine, with a deadline, and hands the socket on. Under the I/O lock throughout.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "core/engine.h"
#include "core/source.h"
#include "launch/handshake.h"
#include "launch/runtime.h"
#include "transports/socket.h"

namespace cohort {

class HandshakeSource : public Source {
 public:
  /// How it ended: an empty `refusal` means that the claim is proved and the socket is good.
  struct Outcome {
    std::string refusal;
    bool authenticated = false;
    WorkerClaim claim;
    UniqueFd socket;
    std::vector<std::byte> leftover;
  };

  HandshakeSource(Runtime& runtime, UniqueFd socket, std::function<void(Outcome)> done);

  /// Attaches it and starts the clock, where there is a timeout. Under the I/O lock, or from any
  /// thread.
  void start(std::optional<std::chrono::milliseconds> timeout);
  /// Ends it without an outcome.
  void abandon();
  /// Ends it for that reason.
  void turn_out(std::string reason) { finish(std::move(reason)); }
  [[nodiscard]] bool has_said_hello() const noexcept { return handshake_.has_said_hello(); }

  [[nodiscard]] int descriptor() const noexcept override { return socket_.get(); }
  bool on_readable() noexcept override;

 private:
  void finish(std::string refusal);
  void finish_after(std::chrono::milliseconds timeout);
  [[nodiscard]] bool send_output();

  Runtime& runtime_;
  UniqueFd socket_;
  MasterHandshake handshake_;
  std::function<void(Outcome)> done_;
  TimerId timer_{};
  bool ended_ = false;
};

}  // namespace cohort
