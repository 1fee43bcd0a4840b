// The seam between core and the transports: an ordered, reliable stream of bytes to one peer.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include <sys/uio.h>

namespace cohort {

/// What one non-blocking send or receive did.
struct IoResult {
  enum class Status {
    kMoved,       ///< `bytes` > 0 were taken or delivered
    kWouldBlock,  ///< nothing now; the descriptor tells when to try again
    kClosed,      ///< the peer ended the stream in an orderly way; no byte is lost
    kBroken,      ///< the stream failed; Channel::failure() says how
  };
  Status status = Status::kWouldBlock;
  std::size_t bytes = 0;
};

/// One connected stream. send() is called by one thread at a time, receive() by one thread at a
/// time, the two may run side by side. Neither blocks nor throws. Destruction closes the stream.
class Channel {
 public:
  virtual ~Channel() = default;

  /// Takes bytes from the front of `parts`. The part at `first_block`, where there is one, stays
  /// where it lies and is offered until it was taken, so a transport may send it from there.
  virtual IoResult send(std::span<iovec const> parts, std::size_t first_block) noexcept = 0;
  /// The same without such a part.
  IoResult send(std::span<iovec const> parts) noexcept { return send(parts, parts.size()); }
  /// Delivers up to `into.size()` bytes. A span that was offered without success is offered
  /// again, so a transport may receive big blocks into where they belong.
  virtual IoResult receive(std::span<std::byte> into) noexcept = 0;
  /// Whether memory that receive() was offered may still be written to, though nobody calls it any
  /// more. Then it must stay.
  [[nodiscard]] virtual bool still_receives() noexcept { return false; }
  /// The same of blocks that send() was given: whether something still reads them.
  [[nodiscard]] virtual bool still_sends() noexcept { return false; }
  /// No more bytes either way; the peer sees the end of the stream. Idempotent.
  virtual void shut_down() noexcept = 0;

  /// Readable when receive() has something to say; writable when send() has room again. -1 where
  /// the transport calls its connection's on_readable() and on_writable() itself.
  [[nodiscard]] virtual int descriptor() const noexcept = 0;
  /// The text behind kBroken, such as "recv: Connection reset by peer".
  [[nodiscard]] virtual std::string failure() const = 0;
};

}  // namespace cohort
