// What a caller may do with futures. The worker is played byte by byte where order matters.
#include "core/future.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <thread>
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
using test::Transport;

/// A caller whose worker is the test.
class Futures : public ::testing::TestWithParam<Transport> {
 protected:
  explicit Futures(test::ChannelPair channels = test::make_channels(GetParam()))
      : peer(std::move(channels.second)) {
    caller.connection =
        std::make_shared<Connection>(engine, std::move(channels.first), test::test_settings(),
                                     Provenance{.worker = WorkerId{1}}, caller);
    caller.connection->start();
  }
  ~Futures() override { caller.connection->close(ErrorKind::kDisconnected, "over"); }

  std::vector<Future<int>> call(int count) {
    std::vector<Future<int>> futures;
    for (int i = 0; i < count; ++i) {
      futures.push_back(test::call<Lab>(caller.connection, fn<&Lab::add>, i, i));
    }
    caller.connection->flush();
    for (int i = 0; i < count; ++i) {
      auto const bytes = peer.receive(sizeof(FrameHeader) + 8);
      if (bytes.size() < sizeof(FrameHeader)) throw std::runtime_error("no call arrived");
      std::memcpy(&calls.emplace_back(), bytes.data(), sizeof(FrameHeader));
    }
    return futures;
  }
  void reply(std::size_t which, int result) {
    ASSERT_TRUE(peer.send(test::frame_bytes({.kind = FrameKind::kReply, .call = calls[which].call},
                                            test::encoded(result))));
  }
  void fail(std::size_t which, std::string const& text) {
    ASSERT_TRUE(peer.send(
        test::frame_bytes({.kind = FrameKind::kFailure, .call = calls[which].call},
                          test::encoded(RemoteFailure{RemoteFailure::Kind::kThrew, "E", text}))));
  }

  Engine engine;
  test::CallerSide caller;
  test::RawPeer peer;
  std::vector<FrameHeader> calls;
};

INSTANTIATE_TEST_SUITE_P(Each, Futures,
                         ::testing::Values(Transport::kInproc, Transport::kUnix, Transport::kTcp),
                         ::testing::PrintToStringParamName());

TEST_P(Futures, GetTheirOwnRepliesInWhicheverOrderTheseCome) {
  auto futures = call(4);
  for (std::size_t const i : {2, 0, 3, 1}) reply(i, static_cast<int>(i) * 10);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(futures[i].get(), static_cast<int>(i) * 10);
}

TEST_P(Futures, AreNamedInTheOrderOfCompletion) {
  auto futures = call(4);
  std::vector<std::size_t> const order{2, 0, 3, 1};
  std::vector<std::size_t> seen;
  reply(order[0], 0);
  for (std::size_t const i : as_completed(futures)) {
    seen.push_back(i);
    EXPECT_TRUE(futures[i].ready());
    if (seen.size() < order.size()) reply(order[seen.size()], 0);
  }
  EXPECT_EQ(seen, order);
}

TEST_P(Futures, ThatWereReadyBeforeAreNamedToo) {
  auto futures = call(2);
  reply(1, 7);
  futures[1].wait();
  CompletionWatch watch;
  watch.add(futures[0], 100);
  watch.add(futures[1], 101);
  EXPECT_EQ(watch.left(), 2u);
  EXPECT_EQ(watch.next(), 101u);
  EXPECT_EQ(watch.next(Deadline::after(2ms)), std::nullopt);
  EXPECT_EQ(watch.left(), 1u);
  reply(0, 8);
  EXPECT_EQ(watch.next(), 100u);
  EXPECT_EQ(watch.next(), std::nullopt) << "none is left";
}

TEST_P(Futures, MayBeWatchedAgainAfterALoopThatEndedEarly) {
  auto futures = call(3);
  reply(1, 0);
  for (std::size_t const i : as_completed(futures)) {
    EXPECT_EQ(i, 1u);
    break;
  }
  reply(2, 0);
  reply(0, 0);
  std::vector<std::size_t> seen;
  for (std::size_t const i : as_completed(futures)) seen.push_back(i);
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(seen, (std::vector<std::size_t>{0, 1, 2}));
}

TEST_P(Futures, AreNoLongerLeftInAWatchThatLostThemToAnother) {
  auto futures = call(2);
  CompletionWatch first;
  first.add(futures[0], 10);
  first.add(futures[1], 11);
  reply(1, 0);
  EXPECT_EQ(first.next(), 11u);
  CompletionWatch second;
  second.add(futures[0], 20);
  EXPECT_EQ(first.left(), 0u);
  EXPECT_EQ(first.next(), std::nullopt) << "it would wait for ever";
  reply(0, 0);
  EXPECT_EQ(second.next(), 20u);
}

TEST_P(Futures, AreWatchedAcrossACancelAndALostConnection) {
  auto futures = call(2);
  CompletionWatch watch;
  watch.add(futures[0], 0);
  watch.add(futures[1], 1);
  futures[1].cancel();
  EXPECT_EQ(watch.next(), 1u);
  peer.hang_up();
  EXPECT_EQ(watch.next(), 0u);
  EXPECT_EQ(error_of([&] { futures[0].get(); }).kind(), ErrorKind::kDisconnected);
}

TEST_P(Futures, WaitNoLongerThanTheyAreTold) {
  auto futures = call(1);
  EXPECT_FALSE(futures[0].wait_for(2ms));
  EXPECT_FALSE(futures[0].ready());
  reply(0, 1);
  EXPECT_TRUE(futures[0].wait_for(test::kBound));
  EXPECT_TRUE(futures[0].ready());
  EXPECT_EQ(futures[0].get(), 1);
}

TEST_P(Futures, GiveTheirResultOnce) {
  auto futures = call(1);
  reply(0, 1);
  EXPECT_TRUE(futures[0].valid());
  EXPECT_EQ(futures[0].get(), 1);
  EXPECT_FALSE(futures[0].valid());
  EXPECT_THROW(futures[0].get(), std::logic_error);
  Future<int> none;
  EXPECT_THROW(none.wait(), std::logic_error);
}

TEST_P(Futures, AreSettledAtOnceByACancel) {
  auto futures = call(2);
  futures[0].cancel();
  EXPECT_TRUE(futures[0].ready());
  EXPECT_EQ(caller.connection->pending_calls(), 1u);
  EXPECT_EQ(error_of([&] { futures[0].get(); }).kind(), ErrorKind::kCancelled);
  auto const bytes = peer.receive(sizeof(FrameHeader));
  EXPECT_EQ(bytes, test::frame_bytes({.kind = FrameKind::kCancel, .call = calls[0].call}));
}

TEST_P(Futures, IgnoreTheReplyToACancelledCall) {
  auto futures = call(2);
  futures[0].cancel();
  reply(0, 1);
  reply(1, 2);
  EXPECT_EQ(futures[1].get(), 2);
  EXPECT_EQ(error_of([&] { futures[0].get(); }).kind(), ErrorKind::kCancelled);
}

TEST_P(Futures, IgnoreASecondReplyThoughItsPlaceWasTakenByAnotherCall) {
  auto first = call(1);
  reply(0, 1);
  EXPECT_EQ(first[0].get(), 1);
  auto second = call(1);
  reply(0, 3);  // once more to the first
  reply(1, 2);
  EXPECT_EQ(second[0].get(), 2);
}

TEST_P(Futures, KeepTheirResultWhenTheyAreCancelledTooLate) {
  auto futures = call(1);
  reply(0, 5);
  futures[0].wait();
  futures[0].cancel();
  EXPECT_EQ(futures[0].get(), 5);
}

TEST_P(Futures, MayBeDroppedBeforeTheReplyComes) {
  call(1).clear();
  EXPECT_EQ(caller.connection->pending_calls(), 1u) << "the call goes on";
  auto following = call(1);
  reply(0, 1);
  reply(1, 2);
  EXPECT_EQ(following[0].get(), 2);
  EXPECT_EQ(caller.connection->pending_calls(), 0u);
}

TEST_P(Futures, ReportAReplyThatIsNoneOfTheirType) {
  auto futures = call(1);
  ASSERT_TRUE(peer.send(test::frame_bytes({.kind = FrameKind::kReply, .call = calls[0].call})));
  EXPECT_THROW(futures[0].get(), std::exception);
}

TEST_P(Futures, ReportAFailureThatDoesNotDecodeAsABreachOfTheProtocol) {
  auto futures = call(1);
  ASSERT_TRUE(peer.send(test::frame_bytes({.kind = FrameKind::kFailure, .call = calls[0].call})));
  EXPECT_EQ(error_of([&] { futures[0].get(); }).kind(), ErrorKind::kProtocol);
}

TEST_P(Futures, TogetherGiveAllResultsInTheirOwnOrder) {
  auto all = when_all(call(3));
  for (std::size_t const i : {1, 2}) reply(i, static_cast<int>(i));
  EXPECT_FALSE(all.wait_for(2ms));
  EXPECT_FALSE(all.ready());
  reply(0, 9);
  EXPECT_TRUE(all.wait_for(test::kBound));
  EXPECT_TRUE(all.ready());
  EXPECT_EQ(all.get(), (std::vector{9, 1, 2}));
}

TEST_P(Futures, TogetherThrowTheErrorOfTheFirstOfThemThatFailed) {
  auto all = when_all(call(3));
  fail(2, "the last");
  fail(1, "the middle");
  reply(0, 0);
  EXPECT_EQ(error_of([&] { all.get(); }).reason(), "the middle");
}

TEST_P(Futures, TogetherAreCancelledTogether) {
  auto all = when_all(call(3));
  all.cancel();
  EXPECT_TRUE(all.ready());
  EXPECT_EQ(caller.connection->pending_calls(), 0u);
}

class SharedFutures : public ::testing::TestWithParam<Transport> {
 protected:
  Peers<Lab> peers{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Each, SharedFutures,
                         ::testing::Values(Transport::kInproc, Transport::kUnix, Transport::kTcp),
                         ::testing::PrintToStringParamName());

TEST_P(SharedFutures, AreServedWhenManyThreadsWaitSideBySide) {
  constexpr int kThreads = 8;
  constexpr int kCalls = 200;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this, t] {
      for (int i = 0; i < kCalls; ++i) {
        ASSERT_EQ(peers.call(fn<&Lab::add>, t * kCalls, i).get(), t * kCalls + i);
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

TEST_P(SharedFutures, MayBeWaitedForByAnotherThreadThanTheOneThatCalled) {
  std::vector<Future<int>> futures;
  for (int i = 0; i < 100; ++i) futures.push_back(peers.call(fn<&Lab::add>, i, 1));
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&futures, t] {
      for (auto i = t; i < futures.size(); i += 4) {
        ASSERT_EQ(futures[i].get(), static_cast<int>(i) + 1);
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

TEST_P(SharedFutures, OfABurstAreServedThoughNobodyFlushes) {
  // Enough calls in quick succession to be gathered; then nobody waits, and the backup must see to
  // it.
  for (int round = 0; round < 5; ++round) {
    std::vector<Future<void>> futures;
    for (int i = 0; i < 500; ++i) futures.push_back(peers.call(fn<&Lab::count>));
    ASSERT_TRUE(test::eventually([&] { return peers.object.counted.load() == 500 * (round + 1); }));
    ASSERT_TRUE(test::eventually([&] { return futures.back().ready(); }));
    when_all(std::move(futures)).get();
  }
}

TEST_P(SharedFutures, AreReadyWhileALaterCallComputes) {
  auto quick = peers.call(fn<&Lab::add>, 1, 1);
  auto slow = peers.call(fn<&Lab::wait_for_gate>, 2);
  EXPECT_TRUE(quick.wait_for(test::kBound));
  EXPECT_FALSE(slow.ready());
  peers.object.gate.set();
  EXPECT_EQ(slow.get(), 2);
}

}  // namespace
}  // namespace cohort
