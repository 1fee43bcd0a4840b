#include "core/out_queue.h"

#include <algorithm>
#include <utility>

namespace cohort {
namespace {

constexpr std::size_t kKeepCapacity = 1 << 20;
constexpr std::size_t kCompactFrom = 256 << 10;

iovec part(std::byte const* data, std::size_t size) {
  // writev takes a pointer to non-const and does not write through it.
  return {const_cast<std::byte*>(data), size};
}

}  // namespace

void OutQueue::append(FrameHeader const& header, Message& body, std::shared_ptr<void const> owner,
                      Event* all_sent) {
  auto const size = size_;
  auto const byte_count = bytes_.size();
  auto const block_count = blocks_.size();
  try {
    append_parts(header, body, std::move(owner));
  } catch (...) {  // half a frame must not go out
    size_ = size;
    bytes_.resize_uninitialised(byte_count);
    while (blocks_.size() > block_count) blocks_.pop_back();
    throw;
  }
  if (all_sent != nullptr && blocks_.size() > block_count) blocks_.back().event = all_sent;
  body.clear();
}

void OutQueue::append_parts(FrameHeader const& header, Message& body,
                            std::shared_ptr<void const> owner) {
  size_ += sizeof header + body.size();
  bytes_.append(&header, sizeof header);
  auto& encoded = body.bytes();
  // Many encoded bytes become a block of their own rather than being copied once more.
  std::shared_ptr<ByteBuffer const> kept;
  if (encoded.size() >= Message::kBorrowAtLeast) {
    kept = std::make_shared<ByteBuffer const>(std::exchange(encoded, ByteBuffer()));
  }
  auto const& source = kept ? *kept : encoded;
  std::size_t from = 0;
  auto const add_encoded = [&](std::size_t to) {
    if (to == from) return;
    if (kept) {
      blocks_.push_back({bytes_.size(), {source.data() + from, to - from}, kept, nullptr});
    } else {
      bytes_.append(source.data() + from, to - from);
    }
    from = to;
  };
  for (auto const& block : body.blocks()) {
    add_encoded(block.at);
    blocks_.push_back({bytes_.size(), block.bytes, owner, nullptr});
  }
  add_encoded(source.size());
}

std::span<iovec const> OutQueue::parts(Parts& into, std::size_t& first_block) const noexcept {
  std::size_t count = 0;
  first_block = into.size();
  auto from = sent_bytes_;
  auto const add_bytes = [&](std::size_t to) {
    if (to == from || count == into.size()) return;
    into[count++] = part(bytes_.data() + from, to - from);
    from = to;
  };
  for (auto const& block : blocks_) {
    add_bytes(block.at);
    if (count == into.size()) return into;
    first_block = std::min(first_block, count);
    into[count++] = part(block.bytes.data(), block.bytes.size());
  }
  add_bytes(bytes_.size());
  return {into.data(), count};
}

void OutQueue::release(Block& block, Sent& sent) {
  if (block.event != nullptr) sent.events.push_back(block.event);
  if (block.owner) sent.owners.push_back(std::move(block.owner));
}

void OutQueue::consume(std::size_t count, Sent& sent) {
  size_ -= count;
  while (count > 0) {
    if (!blocks_.empty() && blocks_.front().at == sent_bytes_) {
      auto& block = blocks_.front();
      auto const taken = std::min(count, block.bytes.size());
      block.bytes = block.bytes.subspan(taken);
      count -= taken;
      if (!block.bytes.empty()) return;
      release(block, sent);
      blocks_.pop_front();
    } else {
      auto const until = blocks_.empty() ? bytes_.size() : blocks_.front().at;
      auto const taken = std::min(count, until - sent_bytes_);
      sent_bytes_ += taken;
      count -= taken;
    }
  }
  recycle();
}

void OutQueue::clear(Sent& sent) {
  for (auto& block : blocks_) release(block, sent);
  blocks_.clear();
  sent_bytes_ = bytes_.size();
  size_ = 0;
  recycle();
}

/// Starts over in the same memory when all was sent; forgets a long prefix that was.
void OutQueue::recycle() {
  if (size_ == 0) {
    if (bytes_.capacity() > kKeepCapacity) bytes_ = ByteBuffer();
    bytes_.clear();
    sent_bytes_ = 0;
  } else if (sent_bytes_ >= kCompactFrom && sent_bytes_ > bytes_.size() / 2) {
    ByteBuffer rest;
    rest.append(bytes_.data() + sent_bytes_, bytes_.size() - sent_bytes_);
    for (auto& block : blocks_) block.at -= sent_bytes_;
    bytes_ = std::move(rest);
    sent_bytes_ = 0;
  }
}

}  // namespace cohort
