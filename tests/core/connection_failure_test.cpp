// Connections over a channel whose faults are planned to the byte.
#include <cstring>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/core/lab.h"
#include "tests/support/peers.h"

namespace cohort {
namespace {

using namespace std::chrono_literals;
using cohort_test_lab::Lab;
using test::error_of;
using test::Peers;
using End = ConnectionHandler::End;

/// A caller whose worker sends `answer` to its first call, through a channel with faults.
struct Answered {
  explicit Answered(FaultPlan to_caller, Settings const& settings = test::test_settings())
      : Answered(make_inproc_pair({}, std::move(to_caller)), settings) {}
  Answered(test::ChannelPair channels, Settings const& settings)
      : peer(std::move(channels.second)) {
    caller.connection = std::make_shared<Connection>(engine, std::move(channels.first), settings,
                                                     Provenance{.worker = WorkerId{1}}, caller);
    caller.connection->start();
    future = test::call<Lab>(caller.connection, fn<&Lab::echo>, "?");
    auto const bytes = peer.receive(sizeof(FrameHeader) + 9);
    std::memcpy(&call, bytes.data(), sizeof call);
  }
  ~Answered() { caller.connection->close(ErrorKind::kDisconnected, "over"); }

  [[nodiscard]] std::vector<std::byte> reply(std::string const& text) const {
    return test::frame_bytes({.kind = FrameKind::kReply, .call = call.call}, test::encoded(text));
  }

  Engine engine;
  test::CallerSide caller;
  test::RawPeer peer;
  Future<std::string> future;
  FrameHeader call;
};

void expect_one_failure_for_each_cut(std::string const& text, std::string const& cut_text) {
  auto const size = sizeof(FrameHeader) + 8 + text.size();
  for (std::size_t cut = 0; cut <= size; ++cut) {
    if (cut == 100) cut = size - 100;  // the middle of a large body is all the same
    Answered answered(FaultPlan{.cut_at = cut, .cut_text = cut_text});
    answered.peer.send(answered.reply(text));
    ASSERT_TRUE(answered.future.wait_for(test::kBound)) << "cut at " << cut;
    ASSERT_TRUE(answered.caller.ended.wait()) << "cut at " << cut;
    ASSERT_EQ(answered.caller.end, cut_text.empty() ? End::kClosed : End::kBroken);
    if (cut == size) {
      ASSERT_EQ(answered.future.get(), text);
    } else {
      auto const error = error_of([&] { answered.future.get(); });
      ASSERT_EQ(error.kind(), ErrorKind::kDisconnected);
      if (!cut_text.empty()) {
        ASSERT_EQ(error.reason(), cut_text);
      }
    }
    ASSERT_EQ(answered.caller.connection->pending_calls(), 0u);
  }
}

TEST(BrokenConnection, FailsTheCallOnceWhenTheStreamEndsAtAnyByteOfTheReply) {
  expect_one_failure_for_each_cut("a reply", "");
  expect_one_failure_for_each_cut("a reply", "recv: Connection reset by peer");
}

TEST(BrokenConnection, FailsTheCallOnceWhenTheStreamEndsWithinALargeReply) {
  expect_one_failure_for_each_cut(std::string(40'000, 'x'), "");
}

TEST(BrokenConnection, SettlesTheCallWhicheverByteOfTheReplyIsFlipped) {
  std::string const text = "a reply";
  auto const size = sizeof(FrameHeader) + 8 + text.size();
  for (std::size_t at = 0; at < size; ++at) {
    Answered answered(FaultPlan{.cut_at = size, .flip_at = at});
    answered.peer.send(answered.reply(text));
    ASSERT_TRUE(answered.future.wait_for(test::kBound)) << "flipped at " << at;
    ASSERT_TRUE(answered.caller.ended.wait());
    if (at < 4) {
      ASSERT_EQ(answered.caller.end, End::kProtocol) << "flipped at " << at;
    }
    try {
      auto const got = answered.future.get();
      ASSERT_TRUE(at >= 4 && at < 8 ? got == text : at >= 32) << "flipped at " << at;
    } catch (std::runtime_error const&) {
      ASSERT_TRUE(at < 4 || (at >= 8 && at < 32)) << "flipped at " << at;
    }
  }
}

TEST(BrokenConnection, EndsAsProtocolOnGarbage) {
  Answered answered(FaultPlan{});
  std::vector<std::byte> const garbage(1000, std::byte{0xee});
  ASSERT_TRUE(answered.peer.send(garbage));
  auto const error = error_of([&] { answered.future.get(); });
  EXPECT_EQ(error.kind(), ErrorKind::kProtocol);
  EXPECT_NE(error.reason().find("kind 238"), std::string::npos) << error.reason();
  EXPECT_EQ(answered.caller.end, End::kProtocol);
}

TEST(BrokenConnection, EndsAsProtocolOnAMessageThatIsTooLarge) {
  Answered answered(FaultPlan{});
  FrameHeader const huge{.kind = FrameKind::kReply, .length = std::uint64_t{1} << 50};
  std::vector<std::byte> bytes(sizeof huge);
  std::memcpy(bytes.data(), &huge, sizeof huge);
  ASSERT_TRUE(answered.peer.send(bytes));
  EXPECT_EQ(error_of([&] { answered.future.get(); }).kind(), ErrorKind::kProtocol);
}

TEST(BrokenConnection, EndsAsProtocolOnLastWordsThatDoNotDecode) {
  Answered answered(FaultPlan{});
  ASSERT_TRUE(answered.peer.send(test::frame_bytes({.kind = FrameKind::kDying})));
  EXPECT_EQ(error_of([&] { answered.future.get(); }).kind(), ErrorKind::kProtocol);
}

TEST(BrokenConnection, DeliversTheRepliesThatArrivedBeforeTheEnd) {
  Answered answered(FaultPlan{});
  auto other = test::call<Lab>(answered.caller.connection, fn<&Lab::nothing>);
  ASSERT_TRUE(answered.peer.send(answered.reply("in time")));
  answered.peer.hang_up();
  EXPECT_EQ(error_of([&] { other.get(); }).kind(), ErrorKind::kDisconnected);
  EXPECT_EQ(answered.future.get(), "in time");
}

TEST(BrokenConnection, DeliversTheRepliesThatArrivedBeforeGarbage) {
  Answered answered(FaultPlan{});
  auto bytes = answered.reply("in time");
  bytes.resize(bytes.size() + 100, std::byte{0xee});
  ASSERT_TRUE(answered.peer.send(bytes));
  ASSERT_TRUE(answered.caller.ended.wait());
  EXPECT_EQ(answered.caller.end, End::kProtocol);
  EXPECT_EQ(answered.future.get(), "in time");
}

TEST(BrokenConnection, IsFoundByTheHeartbeatWhenTheNetworkSwallowsWhatThePeerSends) {
  auto settings = test::test_settings();
  settings.heartbeat_interval = 5ms;
  settings.heartbeat_timeout = 25ms;
  Answered answered(FaultPlan{.drop_from = sizeof(FrameHeader)}, settings);
  auto const heartbeat = test::frame_bytes({.kind = FrameKind::kHeartbeat});
  while (!answered.caller.ended.is_set() && answered.peer.send(heartbeat)) {
  }
  ASSERT_TRUE(answered.caller.ended.wait());
  EXPECT_EQ(answered.caller.end, End::kSilent);
  EXPECT_EQ(error_of([&] { answered.future.get(); }).kind(), ErrorKind::kDisconnected);
}

TEST(SlowConnection, CarriesEverythingInTheSmallestPieces) {
  FaultPlan const tiny{.most_per_send = 1, .most_per_receive = 1};
  FaultPlan const odd{.most_per_send = 1009, .most_per_receive = 701, .capacity = 4096};
  for (auto const& plan : {tiny, odd}) {
    Peers<Lab> peers(test::ChannelPair(make_inproc_pair(plan, plan)));
    std::vector<double> values(plan.capacity < 10'000 ? 50'000 : 5'000);
    std::iota(values.begin(), values.end(), 0.0);
    auto text = peers.call(fn<&Lab::echo>, "text");
    auto const scaled = peers.call(fn<&Lab::scale>, values, 2.0).get();
    EXPECT_EQ(text.get(), "text");
    ASSERT_EQ(scaled.size(), values.size());
    for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(scaled[i], 2 * values[i]);
  }
}

TEST(SlowConnection, DelaysACallByItsLatency) {
  Engine timing;  // drives the timers of both directions by its backup thread
  FaultPlan const slow{.delay = 10ms, .timers = &timing.timers()};
  {
    Peers<Lab> peers(test::ChannelPair(make_inproc_pair(slow, slow)));
    auto const begin = Clock::now();
    EXPECT_EQ(peers.call(fn<&Lab::add>, 1, 2).get(), 3);
    EXPECT_GE(Clock::now() - begin, 20ms);
  }
}

}  // namespace
}  // namespace cohort
