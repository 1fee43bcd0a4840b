// A frame's body under construction: encoded bytes, and big blocks that stay where they lie.
// A Message belongs to one thread; once it is given to a Connection it is empty again.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "core/byte_buffer.h"

namespace cohort {

/// What keeps borrowed blocks alive.
using Owners = std::vector<std::shared_ptr<void const>>;

class Message {
 public:
  /// Blocks of at least this many bytes are worth an entry of their own in writev.
  static constexpr std::size_t kBorrowAtLeast = 32 << 10;

  /// A block that the wire carries after the first `at` encoded bytes.
  struct Block {
    std::size_t at;
    std::span<std::byte const> bytes;
  };

  Message() = default;
  Message(Message&& other) noexcept
      : bytes_(std::move(other.bytes_)),
        blocks_(std::exchange(other.blocks_, {})),
        borrowed_(std::exchange(other.borrowed_, 0)) {}
  Message& operator=(Message&& other) noexcept {
    bytes_ = std::move(other.bytes_);
    blocks_ = std::exchange(other.blocks_, {});
    borrowed_ = std::exchange(other.borrowed_, 0);
    return *this;
  }

  void append(void const* data, std::size_t size) { bytes_.append(data, size); }
  /// Appends `size` bytes of no defined value and returns the first; the caller writes them all.
  [[nodiscard]] std::byte* grow(std::size_t size) { return bytes_.grow(size); }
  /// Adds a block by reference: it must stay valid and unchanged until the message was sent.
  void borrow(std::span<std::byte const> block) {
    blocks_.push_back({bytes_.size(), block});
    borrowed_ += block.size();
  }

  /// Gives its bytes in their order, encoded and borrowed ones in turn.
  template <class Visitor>
  void for_each_part(Visitor&& visit) const {
    std::size_t from = 0;
    for (auto const& block : blocks_) {
      visit(std::span<std::byte const>(bytes_.data() + from, block.at - from));
      visit(block.bytes);
      from = block.at;
    }
    visit(std::span<std::byte const>(bytes_.data() + from, bytes_.size() - from));
  }

  /// Bytes on the wire: encoded and borrowed together.
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size() + borrowed_; }
  [[nodiscard]] bool borrows() const noexcept { return !blocks_.empty(); }
  [[nodiscard]] ByteBuffer& bytes() noexcept { return bytes_; }
  [[nodiscard]] ByteBuffer const& bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::vector<Block> const& blocks() const noexcept { return blocks_; }

  /// Empties it and keeps the capacity for the next message, up to a bound.
  void clear() noexcept {
    constexpr std::size_t kKeepAtMost = 1 << 20;
    if (bytes_.capacity() > kKeepAtMost) bytes_ = {};
    bytes_.clear();
    blocks_.clear();
    borrowed_ = 0;
  }

 private:
  ByteBuffer bytes_;
  std::vector<Block> blocks_;
  std::size_t borrowed_ = 0;
};

}  // namespace cohort
