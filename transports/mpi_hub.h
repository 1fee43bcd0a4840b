// Polls MPI for all peers of this process. One per engine; made by the first link.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include <mpi.h>

#include "core/data_plane.h"
#include "core/engine.h"
#include "core/source.h"
#include "transports/mpi_channel.h"

namespace cohort {

class MpiLink;

class MpiHub : public PolledSource {
 public:
  explicit MpiHub(Engine& engine) : engine_(engine) {}

  [[nodiscard]] Engine& engine() noexcept { return engine_; }

  // Under the I/O lock.
  void add(std::shared_ptr<MpiLink> link);
  void remove(MpiLink& link);

  /// Any thread: something was sent that MPI has not done with.
  void mind_unfinished() noexcept {
    if (asleep_.load()) engine_.kick();
  }

  [[nodiscard]] int descriptor() const noexcept override { return -1; }
  bool on_readable() noexcept override { return poll(); }
  bool poll() noexcept override;
  bool go_to_sleep() noexcept override;

 private:
  [[nodiscard]] int test_requests() noexcept;
  [[nodiscard]] bool may_sleep();

  Engine& engine_;
  std::vector<std::shared_ptr<MpiLink>> links_;
  std::vector<MPI_Request> requests_;  // of the links' next packets, in their order
  std::vector<int> indices_;
  std::vector<MPI_Status> statuses_;
  bool some_rest_ = false;  // links did not receive at the last look, whose packets had come
  std::atomic<bool> asleep_{false};
  Clock::time_point busy_since_{};  // without visible progress
  bool lively_ = false;             // it has done something since it last wanted to sleep
  Clock::time_point lingers_until_{};
};

/// The traffic with one peer.
class MpiLink : public DataPlane, public std::enable_shared_from_this<MpiLink> {
 public:
  /// `life`: see MpiChannel.
  MpiLink(std::shared_ptr<MpiHub> hub, MPI_Comm communicator, int rank, std::uint32_t life);

  [[nodiscard]] std::unique_ptr<Channel> take_channel() override { return std::move(owned_); }
  void open(std::shared_ptr<Connection> data, std::shared_ptr<Connection> control) override;
  void on_signal(FrameKind kind, std::uint64_t count) override;
  [[nodiscard]] std::uint64_t sent() const noexcept override { return channel_->sent(); }
  [[nodiscard]] bool sends() noexcept override { return channel_->sends(); }
  [[nodiscard]] bool has_taken(std::uint64_t count) const noexcept override {
    return channel_->taken() >= count && !channel_->has_input();
  }
  void take_the_rest() override;
  void close() override;

  // For the hub.
  [[nodiscard]] MpiChannel& channel() noexcept { return *channel_; }
  /// Gives the connection what has come, and lets it send. Returns whether it did something.
  bool attend() noexcept;
  /// Whether nothing is under way, as far as this side knows.
  [[nodiscard]] bool is_quiet() noexcept;
  void say_asleep();

 private:
  void ring(std::uint64_t sent);

  std::shared_ptr<MpiHub> const hub_;
  std::unique_ptr<MpiChannel> owned_;  // until the data connection has it
  MpiChannel* const channel_;
  std::shared_ptr<Connection> data_;
  std::shared_ptr<Connection> control_;
  bool said_asleep_ = false;
  std::uint64_t expected_ = 0;  // packets that the peer has rung for
  std::atomic<bool> peer_asleep_{false};
};

}  // namespace cohort
