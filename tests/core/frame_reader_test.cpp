#include "core/frame_reader.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/message.h"
#include "tests/support/peers.h"

namespace cohort {
namespace {

using Bytes = std::vector<std::byte>;

/// Gives the pieces of a byte string one by one, and then the end.
class Pieces : public Channel {
 public:
  Pieces(Bytes bytes, std::vector<std::size_t> cuts)
      : bytes_(std::move(bytes)), cuts_(std::move(cuts)) {}

  IoResult receive(std::span<std::byte> into) noexcept override {
    if (at_ == bytes_.size()) return {IoResult::Status::kClosed, 0};
    auto const cut = std::upper_bound(cuts_.begin(), cuts_.end(), at_);
    auto const until = cut == cuts_.end() ? bytes_.size() : std::min(*cut, bytes_.size());
    auto const count = std::min(into.size(), until - at_);
    std::memcpy(into.data(), bytes_.data() + at_, count);
    at_ += count;
    return {IoResult::Status::kMoved, count};
  }
  IoResult send(std::span<iovec const>, std::size_t) noexcept override { return {}; }
  void shut_down() noexcept override {}
  [[nodiscard]] int descriptor() const noexcept override { return -1; }
  [[nodiscard]] std::string failure() const override { return {}; }

 private:
  Bytes bytes_;
  std::vector<std::size_t> cuts_;
  std::size_t at_ = 0;
};

struct Read {
  FrameHeader header;
  Bytes body;
};

/// All frames of the stream, with their memory taken each time when `take` is set.
std::vector<Read> read_all(FrameReader& reader, Channel& channel, bool take = false) {
  std::vector<Read> all;
  ByteBuffer memory;
  while (reader.receive(channel).status == IoResult::Status::kMoved && reader.defect().empty()) {
    std::vector<Frame> const frames(reader.frames().begin(), reader.frames().end());
    if (take && !frames.empty()) memory = reader.take_memory(std::move(memory));
    for (auto const& frame : frames) {
      all.push_back({frame.header, Bytes(frame.bytes().begin(), frame.bytes().end())});
    }
  }
  return all;
}

Bytes body_of(std::size_t size, unsigned seed) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>((i * 31 + seed) & 0xff);
  return bytes;
}

struct Stream {
  std::vector<Read> frames;
  Bytes bytes;

  explicit Stream(std::vector<std::size_t> const& sizes) {
    unsigned number = 0;
    for (auto const size : sizes) {
      FrameHeader header{.kind = FrameKind::kReply,
                         .function = FunctionId{number},
                         .call = CallId{100 + number},
                         .length = size};
      auto body = body_of(size, number++);
      auto const frame = test::frame_bytes(header, body);
      bytes.insert(bytes.end(), frame.begin(), frame.end());
      frames.push_back({header, std::move(body)});
    }
  }
};

void expect_same(std::vector<Read> const& got, std::vector<Read> const& wanted, std::size_t cut) {
  ASSERT_EQ(got.size(), wanted.size()) << "cut at " << cut;
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(got[i].header.call, wanted[i].header.call) << "cut at " << cut;
    ASSERT_EQ(got[i].header.function, wanted[i].header.function) << "cut at " << cut;
    ASSERT_EQ(got[i].body == wanted[i].body, true) << "frame " << i << ", cut at " << cut;
  }
}

TEST(FrameReader, FindsTheFramesOfAStreamThatIsCutAtAnyByte) {
  Stream const stream({0, 1, 24, 100, 0, 7});
  for (std::size_t cut = 0; cut <= stream.bytes.size(); ++cut) {
    for (bool const take : {false, true}) {
      FrameReader reader(1 << 20);
      Pieces pieces(stream.bytes, {cut});
      expect_same(read_all(reader, pieces, take), stream.frames, cut);
    }
  }
}

TEST(FrameReader, FindsTheFramesOfAStreamThatComesByteByByte) {
  Stream const stream({0, 1, 24, 100, Message::kBorrowAtLeast + 5, 0, 7});
  std::vector<std::size_t> cuts;
  for (std::size_t cut = 1; cut < stream.bytes.size(); ++cut) cuts.push_back(cut);
  FrameReader reader(1 << 20);
  Pieces pieces(stream.bytes, cuts);
  expect_same(read_all(reader, pieces, true), stream.frames, 1);
}

TEST(FrameReader, FindsLargeBodiesInAStreamThatIsCutAtAnyByteOfTheirHeadsAndTails) {
  // Larger than the shared buffer, and larger than the borrowing limit only.
  for (std::size_t const large : {std::size_t{300} << 10, Message::kBorrowAtLeast}) {
    Stream const stream({3, large, 5, large + 1, 0});
    std::vector<std::size_t> cuts;
    for (std::size_t const near : {std::size_t{0}, 27 + large, 27 + 24 + large + 29 + large}) {
      for (std::size_t cut = near; cut < near + 90; ++cut) cuts.push_back(cut);
    }
    for (auto const cut : cuts) {
      FrameReader reader(1 << 20);
      Pieces pieces(stream.bytes, {cut});
      expect_same(read_all(reader, pieces, true), stream.frames, cut);
    }
  }
}

TEST(FrameReader, GivesALargeBodyItsMemoryAlone) {
  Stream const stream({3, 300 << 10, 5});
  FrameReader reader(1 << 20);
  Pieces pieces(stream.bytes, {});
  bool saw_large = false;
  while (reader.receive(pieces).status == IoResult::Status::kMoved) {
    if (!reader.is_large()) continue;
    saw_large = true;
    ASSERT_EQ(reader.frames().size(), 1u);
    auto const frame = reader.frames()[0];
    auto const memory = reader.take_memory({});
    EXPECT_EQ(memory.data(), frame.body);
    EXPECT_EQ(memory.size(), std::size_t{300} << 10);
  }
  EXPECT_TRUE(saw_large);
}

TEST(FrameReader, LeavesTheTakenMemoryAlone) {
  Stream const stream({100, 100, 100});
  FrameReader reader(1 << 20);
  Pieces pieces(stream.bytes, {124 + 30});
  ASSERT_EQ(reader.receive(pieces).status, IoResult::Status::kMoved);
  ASSERT_EQ(reader.frames().size(), 1u);
  auto const frame = reader.frames()[0];
  auto const memory = reader.take_memory({});
  ASSERT_EQ(reader.receive(pieces).status, IoResult::Status::kMoved);
  EXPECT_EQ(reader.frames().size(), 2u);
  EXPECT_EQ(Bytes(frame.bytes().begin(), frame.bytes().end()) == stream.frames[0].body, true);
}

TEST(FrameReader, FindsWhatWasPreloadedAndItsContinuation) {
  Stream const stream({10, 20, Message::kBorrowAtLeast});
  for (std::size_t const preloaded : {0, 5, 34, 40, 78, 100, 102, 200}) {
    FrameReader reader(1 << 20);
    reader.preload(std::span(stream.bytes).first(preloaded));
    reader.parse();
    std::vector<Read> all;
    for (auto const& frame : reader.frames()) {
      all.push_back({frame.header, Bytes(frame.bytes().begin(), frame.bytes().end())});
    }
    Pieces pieces(
        Bytes(stream.bytes.begin() + static_cast<std::ptrdiff_t>(preloaded), stream.bytes.end()),
        {});
    auto rest = read_all(reader, pieces);
    all.insert(all.end(), rest.begin(), rest.end());
    expect_same(all, stream.frames, preloaded);
  }
}

TEST(FrameReader, TakesAMessageOfTheLargestSizeAndNamesALargerOne) {
  FrameReader fits(1000);
  Pieces good(Stream({1000}).bytes, {});
  EXPECT_EQ(read_all(fits, good).size(), 1u);
  FrameReader exceeds(1000);
  Pieces bad(Stream({1001}).bytes, {});
  EXPECT_EQ(read_all(exceeds, bad).size(), 0u);
  EXPECT_EQ(exceeds.defect(), "a message of 1001 bytes exceeds max_message_size = 1000");
}

TEST(FrameReader, GivesTheFramesThatCameBeforeADefect) {
  auto bytes = Stream({10, 20}).bytes;
  bytes.resize(bytes.size() + 24);  // kind 0
  FrameReader reader(1000);
  Pieces pieces(bytes, {});
  ASSERT_EQ(reader.receive(pieces).status, IoResult::Status::kMoved);
  EXPECT_EQ(reader.frames().size(), 2u);
  EXPECT_EQ(reader.defect(), "a frame header with kind 0, flags 0 is not one of cohort's");
}

TEST(FrameReader, RefusesEachInvalidHeader) {
  auto const defect = [](std::size_t offset, unsigned char value) {
    auto bytes = test::frame_bytes({.kind = FrameKind::kHeartbeat});
    bytes[offset] = std::byte{value};
    FrameReader reader(1000);
    Pieces pieces(bytes, {});
    reader.receive(pieces);
    return reader.defect();
  };
  EXPECT_NE(defect(0, 0), "");
  EXPECT_NE(defect(0, kLastFrameKind + 1), "");
  EXPECT_NE(defect(0, 255), "");
  EXPECT_NE(defect(1, 1), "") << "flags";
  EXPECT_NE(defect(2, 1), "") << "reserved";
  EXPECT_NE(defect(3, 1), "") << "reserved";
  EXPECT_EQ(defect(4, 1), "") << "the function";
  EXPECT_EQ(defect(0, kLastFrameKind), "");
}

}  // namespace
}  // namespace cohort
