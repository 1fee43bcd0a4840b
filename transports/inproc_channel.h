// Two connected Channels in one process, whose faults a test plans to the byte.
// The ends may be used by different threads and engines; either may be destroyed first.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "core/channel.h"
#include "core/clock.h"
#include "core/timer_queue.h"

namespace cohort {

/// What goes wrong in one direction. Offsets count the bytes that were sent in it, from 0; the same
/// plan and the same bytes give the same fault, however they are cut into sends and receives.
struct FaultPlan {
  static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

  /// Bytes from here on vanish while the stream stays open, as on a network that hangs.
  std::uint64_t drop_from = kNever;
  /// The receiver gets exactly the bytes before this one, then the end of the stream; the sender's
  /// next send is kBroken.
  std::uint64_t cut_at = kNever;
  /// Empty: the end is an orderly one (kClosed). Else it is kBroken, and failure() says this.
  std::string cut_text{};
  /// This byte arrives with all its bits inverted.
  std::uint64_t flip_at = kNever;
  /// No send, and no receive, moves more bytes than this.
  std::size_t most_per_send = std::numeric_limits<std::size_t>::max();
  std::size_t most_per_receive = std::numeric_limits<std::size_t>::max();
  /// Bytes, and the end of the stream, become visible to the receiver only so much later. The
  /// timers are those of an engine, which must outlive both ends.
  Clock::duration delay{0};
  TimerQueue* timers = nullptr;
  /// Bytes that are on their way at most; more gives kWouldBlock to the sender.
  std::size_t capacity = 64 << 10;
};

class InprocChannel : public Channel {
 public:
  class Doorbell;
  class Link;

  InprocChannel(std::shared_ptr<Doorbell> bell, std::shared_ptr<Link> out,
                std::shared_ptr<Link> in) noexcept
      : bell_(std::move(bell)), out_(std::move(out)), in_(std::move(in)) {}
  ~InprocChannel() override { InprocChannel::shut_down(); }

  using Channel::send;
  IoResult send(std::span<iovec const> parts, std::size_t first_block) noexcept override;
  IoResult receive(std::span<std::byte> into) noexcept override;
  void shut_down() noexcept override;
  [[nodiscard]] int descriptor() const noexcept override;
  [[nodiscard]] std::string failure() const override;

 private:
  std::shared_ptr<Doorbell> const bell_;
  std::shared_ptr<Link> const out_;
  std::shared_ptr<Link> const in_;
};

/// The left and the right end. `to_right` is about the bytes that the left end sends.
[[nodiscard]] std::pair<std::unique_ptr<InprocChannel>, std::unique_ptr<InprocChannel>>
make_inproc_pair(FaultPlan to_right = {}, FaultPlan to_left = {});

}  // namespace cohort
