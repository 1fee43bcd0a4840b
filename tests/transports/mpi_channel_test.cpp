// One process that sends to itself: the channel's own ends meet.
#include "transports/mpi_channel.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <mpi.h>

namespace {

using cohort::IoResult;
using cohort::MpiChannel;

/// What the next call of that name does instead of what MPI does.
enum class Trouble { kNone, kFails, kSendsNothing };
Trouble g_isend = Trouble::kNone;
Trouble g_isend_after_one = Trouble::kNone;
Trouble g_test = Trouble::kNone;
Trouble g_cancel = Trouble::kNone;

std::vector<std::byte> bytes_of(std::size_t size, unsigned seed) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; i += 1 + size / 100'000) {
    bytes[i] = static_cast<std::byte>(i * 31 + seed);
  }
  return bytes;
}

iovec part(std::span<std::byte const> bytes) {
  return {const_cast<std::byte*>(bytes.data()), bytes.size()};
}

/// Sends and receives in turn, as the hub and the connection do, in one thread.
class Loop {
 public:
  explicit Loop(std::uint32_t life = 0, std::size_t piece = std::size_t{1} << 30)
      : channel_(make(life, piece)) {}

  /// All of it, as Connection sends what it has queued: what is left is offered again.
  void send(std::vector<iovec> parts, std::size_t first_block) {
    for (std::size_t at = 0; at < parts.size();) {
      auto const block = first_block > at ? first_block - at : 0;
      auto const result = channel_->send(std::span(parts).subspan(at), block);
      ASSERT_NE(result.status, IoResult::Status::kBroken) << channel_->failure();
      if (result.status == IoResult::Status::kWouldBlock) {
        ++waits_;
        take();
        continue;
      }
      auto left = result.bytes;
      for (; at < parts.size() && left >= parts[at].iov_len; ++at) left -= parts[at].iov_len;
      if (left == 0) continue;
      parts[at].iov_base = static_cast<std::byte*>(parts[at].iov_base) + left;
      parts[at].iov_len -= left;
    }
  }
  /// Receives so many bytes in all, at most `at_once` of them at a time.
  void expect(std::size_t size, std::size_t at_once) {
    received_.resize(count_ + size);
    at_once_ = at_once;
  }
  void take_all() {
    while (count_ < received_.size()) take();
  }
  [[nodiscard]] std::vector<std::byte> const& received() const { return received_; }
  [[nodiscard]] int waits() const { return waits_; }
  [[nodiscard]] MpiChannel& channel() { return *channel_; }

 private:
  static std::unique_ptr<MpiChannel> make(std::uint32_t life, std::size_t piece) {
    auto channel = std::make_unique<MpiChannel>(MPI_COMM_SELF, 0, life, piece);
    channel->on_sent = [](std::uint64_t) {};
    channel->on_unfinished = [] {};
    return channel;
  }
  void take() {
    channel_->start_receiving();
    if (!channel_->has_input()) {
      auto request = channel_->packet_request();
      int done = 0;
      MPI_Status status;
      MPI_Test(&request, &done, &status);
      if (done == 0) return;
      int bytes = 0;
      MPI_Get_count(&status, MPI_BYTE, &bytes);
      channel_->on_packet(static_cast<std::size_t>(bytes));
    }
    auto const room = std::min(at_once_, received_.size() - count_);
    if (room == 0) return;
    auto const result = channel_->receive(std::span(received_).subspan(count_, room));
    if (result.status == IoResult::Status::kMoved) count_ += result.bytes;
  }

  std::unique_ptr<MpiChannel> channel_;
  std::vector<std::byte> received_;
  std::size_t count_ = 0;  // of received_ that is filled
  std::size_t at_once_ = 0;
  int waits_ = 0;
};

TEST(MpiChannel, GathersSmallPartsInPacketsAndKeepsTheirOrder) {
  Loop loop;
  auto const small = bytes_of(300, 1);
  auto const more = bytes_of(100'000, 2);  // not a block: it is copied into packets
  loop.expect(small.size() + more.size(), 5'000);
  loop.send({part(small), part(more)}, 2);
  loop.take_all();
  auto expected = small;
  expected.insert(expected.end(), more.begin(), more.end());
  EXPECT_TRUE(loop.received() == expected);
}

TEST(MpiChannel, WaitsWhereItsPeerTakesNothing) {
  Loop loop;
  auto const much = bytes_of(4 << 20, 3);
  loop.expect(much.size(), much.size());
  loop.send({part(much)}, 1);  // takes only when it must
  loop.take_all();
  EXPECT_GT(loop.waits(), 0);
  EXPECT_TRUE(loop.received() == much);
}

TEST(MpiChannel, SendsABlockFromWhereItLiesToWhereItIsOffered) {
  Loop loop;
  auto const head = bytes_of(24, 4);
  auto const block = bytes_of(8 << 20, 5);
  loop.expect(head.size(), head.size());
  std::vector<iovec> const parts{part(head), part(block)};
  ASSERT_EQ(loop.channel().send(parts, 1).bytes, head.size());
  loop.take_all();
  loop.expect(block.size(), block.size());
  loop.send({part(block)}, 0);
  loop.take_all();
  EXPECT_TRUE(std::equal(block.begin(), block.end(), loop.received().begin() + 24));
}

TEST(MpiChannel, HoldsABlockThatIsTakenInSmallPieces) {
  Loop loop;
  auto const head = bytes_of(24, 6);
  auto const block = bytes_of(1 << 20, 7);
  loop.expect(head.size() + block.size(), 10'000);
  loop.send({part(head), part(block)}, 1);
  loop.take_all();
  EXPECT_TRUE(std::equal(block.begin(), block.end(), loop.received().begin() + 24));
}

TEST(MpiChannel, SendsABlockInSeveralPieces) {
  constexpr std::size_t kPiece = 100'000;
  Loop loop(0, kPiece);
  auto const block = bytes_of(10 * kPiece + 12'345, 8);
  for (std::size_t const at_once : {block.size(), kPiece / 2}) {
    auto const before = loop.received().size();
    loop.expect(block.size(), at_once);
    loop.send({part(block)}, 0);
    loop.take_all();
    EXPECT_TRUE(std::equal(block.begin(), block.end(),
                           loop.received().begin() + static_cast<std::ptrdiff_t>(before)));
  }
}

TEST(MpiChannel, EndsWhereMpiCannotSend) {
  Loop loop;
  g_isend = Trouble::kFails;
  auto const bytes = bytes_of(100, 11);
  std::vector const parts{part(bytes)};
  EXPECT_EQ(loop.channel().send(parts, 1).status, IoResult::Status::kBroken);
  EXPECT_TRUE(loop.channel().has_input()) << "so that its connection looks, and ends";
  std::vector<std::byte> into(100);
  EXPECT_EQ(loop.channel().receive(into).status, IoResult::Status::kBroken);
  EXPECT_EQ(loop.channel().send(parts, 1).status, IoResult::Status::kBroken) << "for good";
  EXPECT_NE(loop.channel().failure(), "MPI: ");
}

/// Its announcement has come, and the block itself has not.
class HalfABlock {
 public:
  HalfABlock() {
    std::vector const parts{part(head_), part(block_)};
    loop_.expect(head_.size(), head_.size());
    g_isend_after_one = Trouble::kSendsNothing;
    EXPECT_EQ(loop_.channel().send(parts, 1).bytes, head_.size());
    loop_.take_all();
    EXPECT_EQ(receive(), IoResult::Status::kWouldBlock);
  }
  IoResult::Status receive() { return loop_.channel().receive(into_).status; }
  [[nodiscard]] MpiChannel& channel() { return loop_.channel(); }

 private:
  Loop loop_;
  std::vector<std::byte> const head_ = bytes_of(24, 12);
  std::vector<std::byte> const block_ = bytes_of(1 << 20, 13);
  std::vector<std::byte> into_ = std::vector<std::byte>(1 << 20);
};

TEST(MpiChannel, DeliversNothingOfABlockThatMpiCannotReceive) {
  HalfABlock half;
  g_test = Trouble::kFails;
  EXPECT_EQ(half.receive(), IoResult::Status::kBroken);
  EXPECT_EQ(half.receive(), IoResult::Status::kBroken) << "for good";
}

TEST(MpiChannel, SaysWhetherMpiMayStillWriteToTheMemoryOfABlock) {
  HalfABlock half;
  g_cancel = Trouble::kFails;  // as where the block is on its way
  EXPECT_TRUE(half.channel().still_receives());
  EXPECT_FALSE(half.channel().still_receives()) << "it was cancelled";
}

TEST(MpiChannel, SaysWhetherMpiMayStillReadTheMemoryOfABlock) {
  Loop loop;
  auto const head = bytes_of(24, 14);
  auto const block = bytes_of(8 << 20, 15);
  loop.expect(head.size() + block.size(), block.size());
  EXPECT_FALSE(loop.channel().still_sends());
  std::vector const parts{part(head), part(block)};
  ASSERT_EQ(loop.channel().send(parts, 1).bytes, head.size());
  loop.channel().shut_down();
  EXPECT_TRUE(loop.channel().still_sends()) << "nobody has taken it";
  loop.take_all();
  EXPECT_FALSE(loop.channel().still_sends());
}

TEST(MpiChannel, MeetsNothingThatWasSentToAnEarlierOne) {
  auto const stale = bytes_of(100, 9);
  auto const fresh = bytes_of(100, 10);
  Loop later(1);
  {
    Loop earlier(0);
    earlier.send({part(stale)}, 1);
  }
  later.expect(fresh.size(), fresh.size());
  later.send({part(fresh)}, 1);
  later.take_all();
  EXPECT_TRUE(later.received() == fresh);
}

}  // namespace

// Between the channel and MPI.
extern "C" int MPI_Isend(void const* data, int count, MPI_Datatype type, int to, int tag,
                         MPI_Comm communicator, MPI_Request* request) {
  auto const trouble = std::exchange(g_isend, std::exchange(g_isend_after_one, Trouble::kNone));
  if (trouble == Trouble::kFails) return MPI_ERR_OTHER;
  if (trouble == Trouble::kSendsNothing) return MPI_SUCCESS;
  return PMPI_Isend(data, count, type, to, tag, communicator, request);
}
extern "C" int MPI_Test(MPI_Request* request, int* done, MPI_Status* status) {
  auto const trouble = std::exchange(g_test, Trouble::kNone);
  return trouble == Trouble::kFails ? MPI_ERR_OTHER : PMPI_Test(request, done, status);
}
extern "C" int MPI_Cancel(MPI_Request* request) {
  auto const trouble = std::exchange(g_cancel, Trouble::kNone);
  return trouble == Trouble::kFails ? MPI_ERR_OTHER : PMPI_Cancel(request);
}

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  int provided = 0;
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided);
  int const code = RUN_ALL_TESTS();
  MPI_Finalize();
  return code;
}
