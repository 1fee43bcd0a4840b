// Cuts a channel's bytes into whole frames. Small frames share one buffer, a large body gets
// memory of its own and is received straight into it. Used under the I/O lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/byte_buffer.h"
#include "core/channel.h"
#include "core/frame.h"

namespace cohort {

/// A whole frame; its body lies in its batch's memory.
struct Frame {
  FrameHeader header;
  std::byte const* body = nullptr;

  [[nodiscard]] std::span<std::byte const> bytes() const noexcept {
    return {body, static_cast<std::size_t>(header.length)};
  }
};

/// Frames that were read together, and the memory that their bodies lie in.
struct Batch {
  std::vector<Frame> frames;
  ByteBuffer memory;
};

/// What a connection says of a peer that closed it there.
inline constexpr char kClosedWithinAFrame[] = "the connection was closed within a frame";

class FrameReader {
 public:
  explicit FrameReader(std::uint64_t max_message_size) : max_message_size_(max_message_size) {}

  /// Bytes that arrived before the reader was there, as from a handshake.
  void preload(std::span<std::byte const> bytes) { small_.append(bytes.data(), bytes.size()); }

  /// Receives once and finds the frames that are whole now (see frames() and defect()).
  IoResult receive(Channel& channel);
  /// Finds the frames in what was preloaded.
  void parse();

  [[nodiscard]] std::span<Frame const> frames() const noexcept { return frames_; }
  /// How the peer broke the format right behind frames(), in one line; empty where it did not.
  /// Nothing can be received any more once it did.
  [[nodiscard]] std::string const& defect() const noexcept { return defect_; }
  /// Whether the defect is not the peer's: a frame is larger than what this process has left.
  [[nodiscard]] bool lacks_memory() const noexcept { return lacks_memory_; }

  /// True where a frame has begun whose end has not come.
  [[nodiscard]] bool is_within_a_frame() const noexcept {
    return large_header_.has_value() || small_.size() > consumed_;
  }

  /// The memory of the frames of the last receive(), which the caller keeps as long as it needs
  /// their bodies. `spare` is the memory that the reader goes on with.
  [[nodiscard]] ByteBuffer take_memory(ByteBuffer spare);
  /// True where the last receive() finished a large body: take_memory gives it alone.
  [[nodiscard]] bool is_large() const noexcept { return large_is_whole_; }

 private:
  void forget_consumed();
  void start_large(std::size_t offset, FrameHeader const& header);
  [[nodiscard]] std::string defect_of(FrameHeader const& header) const;

  std::uint64_t max_message_size_;
  std::vector<Frame> frames_;
  ByteBuffer small_;          // whole frames, then the beginning of the next one
  std::size_t consumed_ = 0;  // bytes of small_ that belong to frames_
  std::optional<FrameHeader> large_header_;
  ByteBuffer large_;
  std::size_t large_filled_ = 0;
  bool large_is_whole_ = false;
  std::string defect_;
  bool lacks_memory_ = false;
};

}  // namespace cohort
