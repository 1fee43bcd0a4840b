#include "transports/inproc_channel.h"

#include <string>

#include <gtest/gtest.h>
#include <poll.h>

#include "core/engine.h"
#include "tests/support/waiting.h"

namespace cohort {
namespace {

using namespace std::chrono_literals;
using Status = IoResult::Status;

IoResult send(Channel& channel, std::string const& text) {
  iovec const part{const_cast<char*>(text.data()), text.size()};
  return channel.send({&part, 1});
}

bool is_readable(Channel const& channel, int timeout_ms = 0) {
  pollfd wanted{channel.descriptor(), POLLIN, 0};
  return ::poll(&wanted, 1, timeout_ms) == 1;
}

/// All that is there now, and how it ended.
struct Received {
  std::string text;
  Status status;
};
Received receive(Channel& channel) {
  Received all{};
  std::string piece(100, '\0');
  for (;;) {
    auto const result = channel.receive(std::as_writable_bytes(std::span(piece)));
    all.status = result.status;
    if (result.status != Status::kMoved) return all;
    all.text.append(piece, 0, result.bytes);
  }
}

TEST(InprocChannel, DropsWhatIsSentFromAnOffsetOnAndStaysOpen) {
  auto [left, right] = make_inproc_pair(FaultPlan{.drop_from = 5});
  EXPECT_EQ(send(*left, "abc").bytes, 3u);
  EXPECT_EQ(send(*left, "defg").bytes, 4u);
  EXPECT_EQ(send(*left, "hij").bytes, 3u);
  auto const received = receive(*right);
  EXPECT_EQ(received.text, "abcde");
  EXPECT_EQ(received.status, Status::kWouldBlock);
  EXPECT_FALSE(is_readable(*right));
  EXPECT_EQ(send(*right, "back").bytes, 4u);
  EXPECT_EQ(receive(*left).text, "back") << "the other direction is whole";
}

TEST(InprocChannel, IsCutAfterExactlySoManyBytes) {
  for (std::uint64_t cut = 0; cut <= 6; ++cut) {
    auto [left, right] = make_inproc_pair(FaultPlan{.cut_at = cut});
    static_cast<void>(send(*left, "abc"));
    static_cast<void>(send(*left, "def"));
    auto const received = receive(*right);
    EXPECT_EQ(received.text, std::string("abcdef").substr(0, cut));
    EXPECT_EQ(received.status, Status::kClosed);
    EXPECT_TRUE(is_readable(*right));
    EXPECT_EQ(send(*left, "g").status, Status::kBroken);
  }
}

TEST(InprocChannel, IsBrokenWithATextWhereThePlanSaysSo) {
  auto [left, right] = make_inproc_pair(FaultPlan{.cut_at = 2, .cut_text = "recv: no route"});
  EXPECT_EQ(right->failure(), "");
  EXPECT_EQ(send(*left, "abc").bytes, 2u);
  auto const received = receive(*right);
  EXPECT_EQ(received.text, "ab");
  EXPECT_EQ(received.status, Status::kBroken);
  EXPECT_EQ(right->failure(), "recv: no route");
}

TEST(InprocChannel, FlipsOneByteHoweverTheBytesAreSent) {
  for (std::size_t const most : {1, 2, 100}) {
    auto [left, right] = make_inproc_pair(FaultPlan{.flip_at = 3, .most_per_send = most});
    std::string rest = "abcdef";
    while (!rest.empty()) rest.erase(0, send(*left, rest).bytes);
    std::string expected = "abcdef";
    expected[3] = static_cast<char>(~expected[3]);
    EXPECT_EQ(receive(*right).text, expected);
  }
}

TEST(InprocChannel, MovesNoMoreThanThePlanAllows) {
  auto [left, right] = make_inproc_pair(FaultPlan{.most_per_send = 3, .most_per_receive = 2});
  EXPECT_EQ(send(*left, "abcdef").bytes, 3u);
  std::string piece(10, '\0');
  EXPECT_EQ(right->receive(std::as_writable_bytes(std::span(piece))).bytes, 2u);
  EXPECT_EQ(right->receive(std::as_writable_bytes(std::span(piece))).bytes, 1u);
}

TEST(InprocChannel, HoldsNoMoreThanItsCapacityAndWrapsAround) {
  auto [left, right] = make_inproc_pair(FaultPlan{.capacity = 4});
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(send(*left, "abcdef").bytes, 4u);
    EXPECT_EQ(send(*left, "x").status, Status::kWouldBlock);
    std::string piece(3, '\0');
    EXPECT_EQ(right->receive(std::as_writable_bytes(std::span(piece))).bytes, 3u);
    EXPECT_EQ(piece, "abc");
    EXPECT_EQ(send(*left, "12").bytes, 2u);
    EXPECT_EQ(receive(*right).text, "d12");
  }
}

TEST(InprocChannel, ShowsBytesAndTheEndOnlyAfterTheDelay) {
  Engine engine;
  auto [left, right] = make_inproc_pair(FaultPlan{.delay = 20ms, .timers = &engine.timers()});
  auto const begin = Clock::now();
  EXPECT_EQ(send(*left, "abc").bytes, 3u);
  left.reset();
  ASSERT_TRUE(is_readable(*right, 30'000));
  EXPECT_GE(Clock::now() - begin, 20ms);
  std::string text;
  ASSERT_TRUE(test::eventually([&] {
    auto const received = receive(*right);
    text += received.text;
    return received.status == Status::kClosed;
  }));
  EXPECT_EQ(text, "abc");
}

}  // namespace
}  // namespace cohort
