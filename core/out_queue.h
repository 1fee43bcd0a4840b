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

class OutQueue {
 public:
  static constexpr std::size_t kPartsAtMost = 64;
  using Parts = std::array<iovec, kPartsAtMost>;

  /// Takes the frame over; `body` is empty afterwards. `owner` keeps borrowed blocks alive until
  /// they were sent; without one, `sent` is set (by the caller of consume) once they were.
  void append(FrameHeader const& header, Message& body, std::shared_ptr<void const> owner = {},
              Event* sent = nullptr);

  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  /// Bytes that wait to be sent.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// The next bytes to send, as many parts as fit. Valid until the next append or consume.
  [[nodiscard]] std::span<iovec const> parts(Parts& into) const noexcept;
  /// Forgets `count` bytes at the front; appends to `sent` the events of blocks that are done.
  void consume(std::size_t count, std::vector<Event*>& sent);
  /// Forgets everything, as after the end of the connection.
  void clear(std::vector<Event*>& sent);

 private:
  struct Block {
    std::size_t at;  // it goes out before the byte of bytes_ at this place
    std::span<std::byte const> bytes;
    std::shared_ptr<void const> owner;
    Event* sent;
  };

  void recycle();

  ByteBuffer bytes_;
  std::size_t sent_bytes_ = 0;  // of bytes_
  std::size_t size_ = 0;        // of all that is left
  std::deque<Block> blocks_;
};

}  // namespace cohort
