#include "core/frame_reader.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "core/message.h"

namespace cohort {
namespace {

constexpr std::size_t kSmallCapacity = 256 << 10;
static_assert(kSmallCapacity > 2 * Message::kBorrowAtLeast);

}  // namespace

IoResult FrameReader::receive(Channel& channel) {
  forget_consumed();
  if (large_header_) {
    auto const rest = std::span(large_.data(), large_.size()).subspan(large_filled_);
    auto const result = channel.receive(rest);
    large_filled_ += result.bytes;
    if (large_filled_ == large_.size()) {
      frames_.push_back({*large_header_, large_.data()});
      large_is_whole_ = true;
      large_header_.reset();
    }
    return result;
  }
  auto const old_size = small_.size();
  small_.resize_uninitialised(kSmallCapacity);
  auto const result = channel.receive(std::span(small_.data(), kSmallCapacity).subspan(old_size));
  small_.resize_uninitialised(old_size + result.bytes);
  if (result.bytes > 0) parse();
  return result;
}

void FrameReader::parse() {
  std::size_t offset = consumed_;
  while (small_.size() - offset >= sizeof(FrameHeader)) {
    FrameHeader header;
    std::memcpy(&header, small_.data() + offset, sizeof header);
    if (!header.is_valid() || header.length > max_message_size_) {
      defect_ = defect_of(header);
      break;
    }
    auto const* body = small_.data() + offset + sizeof header;
    auto const available = small_.size() - offset - sizeof header;
    if (available < header.length) {
      if (header.length >= Message::kBorrowAtLeast) start_large(offset, header);
      break;
    }
    frames_.push_back({header, body});
    offset += sizeof header + static_cast<std::size_t>(header.length);
  }
  consumed_ = offset;
}

/// The frame at `offset` is large and incomplete: its body continues in memory of its own.
void FrameReader::start_large(std::size_t offset, FrameHeader const& header) {
  auto const begin = offset + sizeof header;
  large_filled_ = small_.size() - begin;
  large_ = ByteBuffer();
  try {
    large_.resize_uninitialised(static_cast<std::size_t>(header.length));
  } catch (std::bad_alloc const&) {
    lacks_memory_ = true;
    defect_ = "no memory for a message of " + std::to_string(header.length) + " bytes";
    return;
  }
  std::memcpy(large_.data(), small_.data() + begin, large_filled_);
  large_header_ = header;
  small_.resize_uninitialised(offset);
}

ByteBuffer FrameReader::take_memory(ByteBuffer spare) {
  if (large_is_whole_) {
    return std::exchange(large_, ByteBuffer());
  }
  spare.clear();
  spare.append(small_.data() + consumed_, small_.size() - consumed_);
  consumed_ = 0;
  return std::exchange(small_, std::move(spare));
}

void FrameReader::forget_consumed() {
  frames_.clear();
  if (std::exchange(large_is_whole_, false)) large_ = ByteBuffer();  // nobody took it
  if (consumed_ == 0) return;
  auto const rest = small_.size() - consumed_;
  if (rest > 0) std::memmove(small_.data(), small_.data() + consumed_, rest);
  small_.resize_uninitialised(rest);
  consumed_ = 0;
}

std::string FrameReader::defect_of(FrameHeader const& header) const {
  if (!header.is_valid()) {
    return "a frame header with kind " + std::to_string(static_cast<int>(header.kind)) +
           ", flags " + std::to_string(header.flags) +
           (header.has_a_fitting_length()
                ? ""
                : " and a body of " + std::to_string(header.length) + " bytes") +
           " is not one of cohort's";
  }
  if (header.length > max_message_size_) {
    return "a message of " + std::to_string(header.length) +
           " bytes exceeds max_message_size = " + std::to_string(max_message_size_);
  }
  return {};
}

}  // namespace cohort
