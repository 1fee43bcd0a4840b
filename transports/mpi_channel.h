// A Channel to one process over MPI: small frames travel together in packets, large blocks from and
// into the memory where they lie. Never blocks, and never knows whether its peer lives: see
// core/data_plane.h for that. A call of MPI that fails, in either direction, ends the stream:
// receive() says so, behind the packets that came before.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include <mpi.h>

#include "core/channel.h"

namespace cohort {

class MpiChannel : public Channel {
 public:
  /// The peer is `rank` of `communicator`; the `life`-th channel to it has the tags
  /// 0x6c00 + 2 life and the one that follows there.
  /// MPI 3 counts in int, so blocks travel in pieces.
  MpiChannel(MPI_Comm communicator, int rank, std::uint32_t life,
             std::size_t largest_piece = std::size_t{8} << 20);
  /// What MPI does not give back (a dead peer's) stays behind.
  ~MpiChannel() override;

  using Channel::send;
  IoResult send(std::span<iovec const> parts, std::size_t first_block) noexcept override;
  IoResult receive(std::span<std::byte> into) noexcept override;
  bool still_receives() noexcept override;
  bool still_sends() noexcept override;
  void shut_down() noexcept override { closed_.store(true); }
  [[nodiscard]] int descriptor() const noexcept override { return -1; }
  [[nodiscard]] std::string failure() const override;

  /// Called after a packet was sent, with the number of those so far. Set before the first one.
  std::function<void(std::uint64_t sent)> on_sent;
  /// Called where send() left something to MPI that is not done yet.
  std::function<void()> on_unfinished;

  // For the hub, under the I/O lock.

  /// A persistent receive of the next packet; inactive while one is being taken, and until
  /// start_receiving().
  [[nodiscard]] MPI_Request packet_request() const noexcept { return packet_request_; }
  /// Receives the next packet, where the last one has been taken. Not done at once: an answer to it
  /// goes first.
  void start_receiving() noexcept;
  [[nodiscard]] bool is_receiving() const noexcept { return receiving_; }
  /// The packet has arrived, with so many bytes.
  void on_packet(std::size_t bytes) noexcept;
  /// MPI could not receive it.
  void on_failure(int error) noexcept { error_.store(error); }
  /// Whether receive() is worth a call.
  [[nodiscard]] bool has_input() const noexcept {
    return !ready_.empty() || bulk_left_ > 0 || failed();
  }
  /// Whether a block is on its way, in either direction.
  [[nodiscard]] bool moves_a_block() noexcept;
  /// Changes whenever MPI has done with a piece of a block that is sent.
  [[nodiscard]] std::uint64_t pieces_sent() const noexcept { return pieces_sent_.load(); }
  /// Whether send() said kWouldBlock, and may do better now.
  [[nodiscard]] bool is_stalled() const noexcept { return stalled_.load(); }
  /// Whether something that was sent still needs MPI's attention.
  [[nodiscard]] bool sends() noexcept;
  [[nodiscard]] std::uint64_t sent() const noexcept { return sent_.load(); }
  [[nodiscard]] std::uint64_t taken() const noexcept { return taken_; }

 private:
  static constexpr std::size_t kPayload = 32 << 10;
  static constexpr std::size_t kSlots = 8;

  struct Packet {
    std::uint64_t bulk;  // bytes that follow in messages of their own
    std::byte payload[kPayload];
  };
  struct Slot {
    std::unique_ptr<Packet> packet;
    MPI_Request request = MPI_REQUEST_NULL;
  };

  // The sender's side, under send_mutex_.
  [[nodiscard]] Slot* free_slot() noexcept;
  [[nodiscard]] bool bulk_is_sent() noexcept;
  [[nodiscard]] bool send_bulk(std::byte const* data, std::size_t size) noexcept;
  [[nodiscard]] IoResult would_block() noexcept;
  [[nodiscard]] IoResult broken() noexcept;

  // The receiver's.
  [[nodiscard]] IoResult receive_bulk(std::span<std::byte> into) noexcept;
  [[nodiscard]] bool worked(int result) noexcept;
  [[nodiscard]] bool failed() const noexcept { return error_.load() != MPI_SUCCESS; }
  /// Whether MPI has done with it, or cannot.
  [[nodiscard]] bool is_done(MPI_Request& request) noexcept;
  /// The same for one that nobody waits for any more.
  [[nodiscard]] bool give_up(MPI_Request& request) noexcept;

  MPI_Comm const communicator_;
  int const rank_;
  int const packet_tag_;
  int const bulk_tag_;
  std::size_t const largest_piece_;

  std::atomic<bool> closed_{false};
  std::atomic<int> error_{MPI_SUCCESS};

  std::mutex send_mutex_;
  std::array<Slot, kSlots> slots_;
  std::size_t next_slot_ = 0;
  std::deque<MPI_Request> bulk_sends_;  // pieces, in their order
  std::atomic<std::uint64_t> pieces_sent_{0};
  std::size_t bulk_size_ = 0;  // of the block at the front, while it is under way
  std::atomic<bool> stalled_{false};
  std::atomic<std::uint64_t> sent_{0};

  std::unique_ptr<Packet> packet_;
  MPI_Request packet_request_ = MPI_REQUEST_NULL;
  bool receiving_ = false;            // it is active, or done
  std::span<std::byte const> ready_;  // of the packet, or of spill_
  std::uint64_t bulk_left_ = 0;
  std::size_t bulk_piece_ = 0;  // being received
  MPI_Request bulk_request_ = MPI_REQUEST_NULL;
  std::vector<std::byte> spill_;  // where a piece does not fit what is offered
  std::uint64_t taken_ = 0;
};

}  // namespace cohort
