// What carries a worker's calls where its control connection does not: MPI. Each such worker has
// two connections. The control connection is a socket, with handshake, heartbeats, shutdown and
// last words; its end is the one death signal. The data connection has the calls and the streams.
//
// MPI has nothing to block on, so whoever is about to block says so over the control connection,
// and how many packets it has taken (kAsleep). Whoever has sent more, or sends more later, rings
// there (kBell). Both sides count, so no wake-up is lost. A worker rings once when it has joined
// MPI: nothing is sent to it there before.
#pragma once

#include <cstdint>
#include <memory>

#include "core/connection.h"

namespace cohort {

class DataPlane {
 public:
  virtual ~DataPlane() = default;

  /// What the data connection is made over. Once.
  [[nodiscard]] virtual std::unique_ptr<Channel> take_channel() = 0;
  /// From now on `data` hears of traffic, and `control` carries the bells. Any thread.
  virtual void open(std::shared_ptr<Connection> data, std::shared_ptr<Connection> control) = 0;

  // Under the I/O lock.

  /// The peer is asleep, rings, or says goodbye.
  virtual void on_signal(FrameKind kind, std::uint64_t count) = 0;
  /// Packets sent so far; good once nothing waits to be sent.
  [[nodiscard]] virtual std::uint64_t sent() const noexcept = 0;
  /// Whether something that was sent is still on its way out of this process's memory.
  [[nodiscard]] virtual bool sends() noexcept = 0;
  /// Whether so many packets were taken, and all that they announced.
  [[nodiscard]] virtual bool has_taken(std::uint64_t count) const noexcept = 0;
  /// The peer is gone: takes what it had sent before, as far as it arrives soon.
  virtual void take_the_rest() = 0;
  /// No more traffic: nothing is asked of MPI about this peer any more. Idempotent.
  virtual void close() = 0;
};

}  // namespace cohort
