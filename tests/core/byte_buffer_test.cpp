#include "core/byte_buffer.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>

#include "core/message.h"

namespace cohort {
namespace {

std::string_view text_of(ByteBuffer const& buffer) {
  return {reinterpret_cast<char const*>(buffer.data()), buffer.size()};
}

TEST(ByteBuffer, StartsEmptyWithoutMemory) {
  ByteBuffer const buffer;
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(buffer.capacity(), 0u);
  EXPECT_EQ(buffer.begin(), buffer.end());
}

TEST(ByteBuffer, KeepsWhatWasAppendedWhileItGrows) {
  ByteBuffer buffer;
  std::string expected;
  for (int i = 0; i < 2000; ++i) {
    std::string const piece = std::to_string(i);
    buffer.append(piece.data(), piece.size());
    expected += piece;
  }
  EXPECT_EQ(text_of(buffer), expected);
  EXPECT_GE(buffer.capacity(), buffer.size());
}

TEST(ByteBuffer, AppendsNothingFromNowhere) {
  ByteBuffer buffer;
  buffer.append(nullptr, 0);
  EXPECT_TRUE(buffer.empty());
}

TEST(ByteBuffer, GrowReturnsTheFirstNewByte) {
  ByteBuffer buffer;
  buffer.append("ab", 2);
  std::byte* const first = buffer.grow(3);
  EXPECT_EQ(first, buffer.data() + 2);
  std::memcpy(first, "cde", 3);
  EXPECT_EQ(text_of(buffer), "abcde");
}

TEST(ByteBuffer, ClearAndShrinkKeepTheCapacity) {
  ByteBuffer buffer;
  buffer.resize_uninitialised(1000);
  std::size_t const capacity = buffer.capacity();
  buffer.resize_uninitialised(10);
  EXPECT_EQ(buffer.size(), 10u);
  buffer.clear();
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(buffer.capacity(), capacity);
}

TEST(ByteBuffer, ReserveMakesRoomSoThatAppendsDoNotMoveIt) {
  ByteBuffer buffer;
  buffer.reserve(5000);
  std::byte const* const data = buffer.data();
  for (int i = 0; i < 500; ++i) buffer.append("0123456789", 10);
  EXPECT_EQ(buffer.data(), data);
}

TEST(ByteBuffer, MovesAndSwapsWithoutCopying) {
  ByteBuffer first;
  first.append("first", 5);
  std::byte const* const data = first.data();
  ByteBuffer second(std::move(first));
  EXPECT_EQ(second.data(), data);
  EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move): the contract
  first.append("other", 5);
  first.swap(second);
  EXPECT_EQ(first.data(), data);
  EXPECT_EQ(text_of(second), "other");
  second = std::move(first);
  EXPECT_EQ(text_of(second), "first");
  EXPECT_EQ(first.capacity(), 0u);
}

TEST(ByteBuffer, RefusesASizeThatNoMemoryHolds) {
  ByteBuffer buffer;
  buffer.append("kept", 4);
  EXPECT_THROW(static_cast<void>(buffer.grow(SIZE_MAX)), std::bad_alloc);
  EXPECT_EQ(text_of(buffer), "kept");
}

TEST(ByteBuffer, IsASpanOfBytes) {
  ByteBuffer buffer;
  buffer.append("xyz", 3);
  std::span<std::byte const> const bytes = buffer;
  EXPECT_EQ(bytes.data(), buffer.data());
  EXPECT_EQ(bytes.size(), 3u);
}

TEST(Message, IsEmptyAfterItMoved) {
  Message message;
  message.append("head", 4);
  std::byte block[8] = {};
  message.borrow(block);
  Message const moved(std::move(message));
  EXPECT_EQ(moved.size(), 12u);
  EXPECT_EQ(message.size(), 0u);  // NOLINT(bugprone-use-after-move): the contract
  EXPECT_FALSE(message.borrows());
}

TEST(Message, GivesBigMemoryBackWhenCleared) {
  Message message;
  static_cast<void>(message.grow(4 << 20));
  message.clear();
  EXPECT_EQ(message.bytes().capacity(), 0u);
  static_cast<void>(message.grow(1 << 10));
  message.clear();
  EXPECT_GE(message.bytes().capacity(), std::size_t{1} << 10);
}

}  // namespace
}  // namespace cohort
