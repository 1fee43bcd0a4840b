// What a connection has yet to send: small frames in one reused buffer, big blocks by reference.
// Guarded by its connection's mutex.
#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include <sys/uio.h>

#include "core/byte_buffer.h"
#include "core/event.h"
#include "core/frame.h"
#include "core/message.h"

namespace cohort {

/// What is to be told and destroyed once the connection's mutex is left: destructors of arguments
/// are the user's code.
struct Sent {
  std::vector<Event*> events;
  Owners owners;
};

class OutQueue {
 public:
  static constexpr std::size_t kPartsAtMost = 64;
  using Parts = std::array<iovec, kPartsAtMost>;

  /// Takes the frame over; `body` is empty afterwards. `owner` keeps borrowed blocks alive until
  /// they were sent; without one, `all_sent` is set (by the caller of consume) once they were.
  /// Where it throws std::bad_alloc, nothing of the frame goes out.
  void append(FrameHeader const& header, Message& body, std::shared_ptr<void const> owner = {},
              Event* all_sent = nullptr);

  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  /// Bytes that wait to be sent.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// The next bytes to send, as many parts as fit. Valid until the next append or consume, the
  /// blocks among them (the first is at `first_block`) until they are consumed.
  [[nodiscard]] std::span<iovec const> parts(Parts& into, std::size_t& first_block) const noexcept;
  [[nodiscard]] std::span<iovec const> parts(Parts& into) const noexcept {
    std::size_t ignored = 0;
    return parts(into, ignored);
  }
  /// Forgets `count` bytes at the front; moves to `sent` what blocks that are done left behind.
  void consume(std::size_t count, Sent& sent);
  /// Forgets everything, as after the end of the connection.
  void clear(Sent& sent);

 private:
  struct Block {
    std::size_t at;  // it goes out before the byte of bytes_ at this place
    std::span<std::byte const> bytes;
    std::shared_ptr<void const> owner;
    Event* event;
  };

  void append_parts(FrameHeader const& header, Message& body, std::shared_ptr<void const> owner);
  static void release(Block& block, Sent& sent);
  void recycle();

  ByteBuffer bytes_;
  std::size_t sent_bytes_ = 0;  // of bytes_
  std::size_t size_ = 0;        // of all that is left
  std::deque<Block> blocks_;
};

}  // namespace cohort
