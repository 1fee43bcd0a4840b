#include "core/out_queue.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace cohort {
namespace {

constexpr std::size_t kBig = Message::kBorrowAtLeast;
using Bytes = std::vector<std::byte>;

Bytes pattern(std::size_t size, unsigned seed) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::byte>((seed + i * 7 + (i >> 8)) & 0xff);
  }
  return bytes;
}

void add(Bytes& to, void const* data, std::size_t size) {
  auto const* bytes = static_cast<std::byte const*>(data);
  to.insert(to.end(), bytes, bytes + size);
}

FrameHeader header(std::uint64_t call, std::size_t length) {
  return {
      .kind = FrameKind::kCall, .function = FunctionId{5}, .call = CallId{call}, .length = length};
}

/// All that the queue would send now, through as many looks as it takes. Sends `step` bytes a time.
Bytes send_all(OutQueue& queue, std::size_t step, Sent& sent) {
  Bytes out;
  OutQueue::Parts parts;
  while (!queue.empty()) {
    std::size_t left = step;
    std::size_t taken = 0;
    for (auto const& part : queue.parts(parts)) {
      auto const count = std::min(left, part.iov_len);
      add(out, part.iov_base, count);
      taken += count;
      left -= count;
    }
    EXPECT_GT(taken, 0u);
    if (taken == 0) break;
    queue.consume(taken, sent);
  }
  return out;
}

/// Three frames: a small one, one with two borrowed blocks amid small bytes, and a small one.
struct Mixture {
  Bytes first = pattern(40, 1);
  Bytes block_a = pattern(kBig, 2);
  Bytes block_b = pattern(kBig + 3, 3);
  Bytes wire;
  std::shared_ptr<int> owner = std::make_shared<int>(0);
  Event sent;

  void append_to(OutQueue& queue, bool with_owner) {
    Message message;
    message.append(first.data(), first.size());
    add_frame(queue, message, first, nullptr, nullptr);

    message.append("abc", 3);
    message.borrow(block_a);
    message.append("de", 2);
    message.borrow(block_b);
    message.append("f", 1);
    Bytes body;
    add(body, "abc", 3);
    add(body, block_a.data(), block_a.size());
    add(body, "de", 2);
    add(body, block_b.data(), block_b.size());
    add(body, "f", 1);
    if (with_owner) {
      add_frame(queue, message, body, owner, nullptr);
    } else {
      add_frame(queue, message, body, nullptr, &sent);
    }

    message.append("tail", 4);
    Bytes tail;
    add(tail, "tail", 4);
    add_frame(queue, message, tail, nullptr, nullptr);
  }

  void add_frame(OutQueue& queue, Message& message, Bytes const& body,
                 std::shared_ptr<void const> kept, Event* event) {
    auto const head = header(9, body.size());
    EXPECT_EQ(message.size(), body.size());
    add(wire, &head, sizeof head);
    add(wire, body.data(), body.size());
    queue.append(head, message, std::move(kept), event);
    EXPECT_EQ(message.size(), 0u) << "the message is empty afterwards";
  }
};

TEST(OutQueue, IsEmptyAtFirst) {
  OutQueue queue;
  OutQueue::Parts parts;
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.size(), 0u);
  EXPECT_TRUE(queue.parts(parts).empty());
}

TEST(OutQueue, SendsFramesAndBlocksInOrder) {
  OutQueue queue;
  Mixture mixture;
  mixture.append_to(queue, true);
  EXPECT_EQ(queue.size(), mixture.wire.size());
  Sent sent;
  EXPECT_EQ(send_all(queue, mixture.wire.size(), sent), mixture.wire);
  EXPECT_TRUE(queue.empty());
}

TEST(OutQueue, SendsTheSameBytesByteByByte) {
  OutQueue queue;
  Mixture mixture;
  mixture.append_to(queue, true);
  Sent sent;
  EXPECT_EQ(send_all(queue, 1, sent), mixture.wire);
}

TEST(OutQueue, GoesOnAfterASendThatEndedAtAnyByte) {
  constexpr auto kSize = 3 * sizeof(FrameHeader) + 40 + 3 + kBig + 2 + kBig + 3 + 1 + 4;
  std::vector<std::size_t> cuts;
  for (std::size_t cut = 1; cut < 200; ++cut) cuts.push_back(cut);
  for (std::size_t const near : {kBig, 2 * kBig, kSize - 100}) {
    for (std::size_t cut = near; cut < near + 99; ++cut) cuts.push_back(cut);
  }
  for (auto const cut : cuts) {
    OutQueue queue;
    Mixture mixture;
    mixture.append_to(queue, true);
    Sent sent;
    Bytes out(mixture.wire.begin(), mixture.wire.begin() + static_cast<std::ptrdiff_t>(cut));
    queue.consume(cut, sent);
    ASSERT_EQ(queue.size(), kSize - cut);
    auto const rest = send_all(queue, kSize, sent);
    out.insert(out.end(), rest.begin(), rest.end());
    ASSERT_EQ(out == mixture.wire, true) << "cut at " << cut;
  }
}

TEST(OutQueue, KeepsTheOwnerUntilItsLastBlockWasSent) {
  OutQueue queue;
  Mixture mixture;
  mixture.append_to(queue, true);
  Sent sent;
  auto const last_of_b = sizeof(FrameHeader) * 2 + 40 + 3 + kBig + 2 + kBig + 3;
  queue.consume(last_of_b - 1, sent);
  EXPECT_GT(mixture.owner.use_count(), 1);
  queue.consume(1, sent);
  EXPECT_GT(mixture.owner.use_count(), 1) << "whoever holds the mutex must not destroy it";
  sent.owners.clear();
  EXPECT_EQ(mixture.owner.use_count(), 1);
}

TEST(OutQueue, TellsThatTheBlocksWereSentOnceTheyWere) {
  OutQueue queue;
  Mixture mixture;
  mixture.append_to(queue, false);
  Sent sent;
  queue.consume(sizeof(FrameHeader) * 2 + 40 + 3 + kBig + 2 + kBig + 2, sent);
  EXPECT_TRUE(sent.events.empty());
  queue.consume(1, sent);
  EXPECT_EQ(sent.events, std::vector{&mixture.sent});
}

TEST(OutQueue, TellsAndReleasesWhenItIsCleared) {
  OutQueue queue;
  Mixture owned;
  Mixture awaited;
  owned.append_to(queue, true);
  awaited.append_to(queue, false);
  Sent sent;
  queue.clear(sent);
  EXPECT_EQ(sent.events, std::vector{&awaited.sent});
  sent.owners.clear();
  EXPECT_EQ(owned.owner.use_count(), 1);
  EXPECT_TRUE(queue.empty());
}

TEST(OutQueue, CanBeUsedAfterItWasCleared) {
  OutQueue queue;
  Mixture first;
  first.append_to(queue, true);
  Sent sent;
  queue.consume(10, sent);
  queue.clear(sent);
  Mixture second;
  second.append_to(queue, true);
  EXPECT_EQ(send_all(queue, 1000, sent), second.wire);
}

TEST(OutQueue, SendsMoreBlocksThanFitIntoOneLook) {
  OutQueue queue;
  auto const block = pattern(kBig, 4);
  Bytes wire;
  for (std::size_t i = 0; i < OutQueue::kPartsAtMost; ++i) {
    Message message;
    message.append("x", 1);
    message.borrow(block);
    auto const head = header(i, message.size());
    add(wire, &head, sizeof head);
    add(wire, "x", 1);
    add(wire, block.data(), block.size());
    queue.append(head, message, std::make_shared<int>());
  }
  OutQueue::Parts parts;
  EXPECT_EQ(queue.parts(parts).size(), OutQueue::kPartsAtMost);
  Sent sent;
  EXPECT_EQ(send_all(queue, wire.size(), sent) == wire, true);
}

TEST(OutQueue, KeepsManyEncodedBytesAliveByItself) {
  OutQueue queue;
  auto const body = pattern(3 * kBig, 5);
  Message message;
  message.append(body.data(), body.size());
  auto const head = header(1, body.size());
  queue.append(head, message);
  message.append("reused", 6);
  Bytes wire;
  add(wire, &head, sizeof head);
  add(wire, body.data(), body.size());
  Sent sent;
  EXPECT_EQ(send_all(queue, 1000, sent) == wire, true);
}

TEST(OutQueue, StaysRightWhenALongPrefixIsForgotten) {
  OutQueue queue;
  Bytes wire;
  auto const body = pattern(1000, 6);
  auto const block = pattern(kBig, 7);
  for (std::size_t i = 0; i < 2000; ++i) {
    Message message;
    message.append(body.data(), body.size());
    if (i == 1990) message.borrow(block);
    auto const head = header(i, message.size());
    add(wire, &head, sizeof head);
    add(wire, body.data(), body.size());
    if (i == 1990) add(wire, block.data(), block.size());
    queue.append(head, message, std::make_shared<int>());
  }
  Sent sent;
  EXPECT_EQ(send_all(queue, 777, sent) == wire, true);
}

}  // namespace
}  // namespace cohort
