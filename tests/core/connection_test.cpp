// Sizes, borrowed memory, back-pressure and ends of a connection, over every transport.
#include "core/connection.h"

#include <atomic>
#include <cstring>
#include <memory>
#include <numeric>
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
using test::Signal;
using test::Transport;
using End = ConnectionHandler::End;

auto const kTransports = ::testing::Values(Transport::kInproc, Transport::kUnix, Transport::kTcp);

class Connections : public ::testing::TestWithParam<Transport> {};
INSTANTIATE_TEST_SUITE_P(Each, Connections, kTransports, ::testing::PrintToStringParamName());

std::vector<double> many(std::size_t count) {
  std::vector<double> values(count);
  std::iota(values.begin(), values.end(), 1.0);
  return values;
}

/// More than any socket holds: 16 MiB, with a mark here and there.
std::string long_text() {
  std::string text(16 << 20, 'x');
  for (std::size_t at = 0; at < text.size(); at += 1001) text[at] = static_cast<char>(at / 1001);
  return text;
}

constexpr auto kHead = sizeof(FrameHeader) + sizeof(std::uint64_t);  // of a call with one text

bool ends_with(std::vector<std::byte> const& bytes, std::string const& text) {
  return bytes.size() == kHead + text.size() &&
         std::memcmp(bytes.data() + kHead, text.data(), text.size()) == 0;
}

/// A caller's connection whose other end is the test.
struct Half {
  explicit Half(Transport transport, Settings const& settings = test::test_settings(),
                bool start_it = true)
      : Half(test::make_channels(transport), settings, start_it) {}
  explicit Half(test::ChannelPair channels, Settings const& settings = test::test_settings(),
                bool start_it = true)
      : peer(std::move(channels.second)) {
    caller.connection = std::make_shared<Connection>(engine, std::move(channels.first), settings,
                                                     Provenance{.worker = WorkerId{1}}, caller);
    if (start_it) caller.connection->start();
  }
  ~Half() { caller.connection->close(ErrorKind::kDisconnected, "over"); }
  [[nodiscard]] Connection& connection() { return *caller.connection; }

  Engine engine;
  test::CallerSide caller;
  test::RawPeer peer;
};

TEST_P(Connections, CarryLargeArgumentsAndLargeResults) {
  Peers<Lab> peers(GetParam());
  auto values = many(1 << 17);
  auto const result = peers.call(fn<&Lab::scale>, values, 2.0).get();
  ASSERT_EQ(result.size(), values.size());
  for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(result[i], 2 * values[i]);
}

TEST_P(Connections, CarryLargeAndSmallMessagesOfManyThreadsAtOnce) {
  Peers<Lab> peers(GetParam());
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&peers, t] {
      for (std::size_t i = 0; i < 10; ++i) {
        auto const size = t % 2 == 0 ? 10 + i : 20'000 + 10'000 * i;
        auto const values = many(size);
        auto const result = peers.call(fn<&Lab::scale>, values, 3.0).get();
        ASSERT_EQ(result.size(), size);
        ASSERT_EQ(result.back(), 3.0 * static_cast<double>(size));
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

TEST_P(Connections, RefuseAMessageThatIsTooLargeAndGoOn) {
  auto settings = test::test_settings();
  settings.max_message_size = 100'000;
  Peers<Lab> peers(GetParam(), settings);
  auto const error = error_of([&] { peers.call(fn<&Lab::echo>, std::string(100'000, 'x')).get(); });
  EXPECT_EQ(error.kind(), ErrorKind::kRefused);
  EXPECT_EQ(error.reason(),
            "a message of 100008 bytes, which exceeds max_message_size = 100000 "
            "(COHORT_MAX_MESSAGE_SIZE raises it)");
  EXPECT_EQ(peers.call(fn<&Lab::echo>, std::string(99'992, 'x')).get().size(), 99'992u);
}

TEST_P(Connections, RefuseAResultThatIsTooLargeAndGoOn) {
  auto settings = test::test_settings();
  settings.max_message_size = 100'000;
  Peers<Lab> peers(GetParam(), settings);
  auto const error = error_of([&] { peers.call(fn<&Lab::text_of>, 100'000).get(); });
  EXPECT_EQ(error.kind(), ErrorKind::kRefused);
  EXPECT_EQ(error.reason(),
            "the result is a message of 100008 bytes, which exceeds max_message_size = 100000 "
            "(COHORT_MAX_MESSAGE_SIZE raises it)");
  EXPECT_EQ(peers.call(fn<&Lab::text_of>, 99'992).get().size(), 99'992u);
}

TEST_P(Connections, ReturnFromACallOnceWhatItBorrowsWasSent) {
  Half half(GetParam());
  auto const text = long_text();
  Signal returned;
  std::thread thread([&] {
    auto future = test::call<Lab>(half.caller.connection, fn<&Lab::echo>, text);
    returned.set();
  });
  auto bytes = half.peer.receive(2 << 20);
  EXPECT_FALSE(returned.is_set());
  auto const rest = half.peer.receive(kHead + text.size() - bytes.size());
  EXPECT_TRUE(returned.wait());
  thread.join();
  bytes.insert(bytes.end(), rest.begin(), rest.end());
  EXPECT_TRUE(ends_with(bytes, text));
}

TEST_P(Connections, ReturnAtOnceFromACallThatWasGivenItsArguments) {
  Half half(GetParam());
  auto const expected = long_text();
  // Nobody receives yet, so this would never return if it waited.
  auto future = test::call<Lab>(half.caller.connection, fn<&Lab::echo>, long_text());
  EXPECT_TRUE(ends_with(half.peer.receive(kHead + expected.size()), expected));
}

TEST_P(Connections, DestroyWhatTheyWereGivenOutsideTheirLocks) {
  Peers<Lab> peers(GetParam());
  cohort_test_lab::Nosy argument;
  Signal destroyed;
  argument.on_destruction = [&] {
    static_cast<void>(peers.connection().pending_calls());  // takes the mutex
    EXPECT_FALSE(peers.caller_engine.in_handler());

    destroyed.set();
  };
  EXPECT_EQ(peers.call(fn<&Lab::size_of>, std::move(argument), many(1 << 20)).get(), 1u << 20);
  EXPECT_TRUE(destroyed.wait());
}

TEST_P(Connections, DoNotWaitInAHandler) {
  Half half(GetParam());
  auto const text = long_text();
  auto future = test::call<Lab>(half.caller.connection, fn<&Lab::echo>, long_text());
  bool drained = true;
  half.engine.run_locked([&] { drained = half.connection().drain(Deadline::never()); });
  EXPECT_FALSE(drained) << "nobody reads yet";
  EXPECT_TRUE(ends_with(half.peer.receive(kHead + text.size()), text));
  EXPECT_TRUE(half.connection().drain(Deadline::never()));
}

TEST_P(Connections, ReturnFromACallThatBorrowsWhenTheConnectionEnds) {
  Half half(GetParam());
  auto const text = long_text();
  Signal returned;
  std::thread thread([&] {
    auto future = test::call<Lab>(half.caller.connection, fn<&Lab::echo>, text);
    EXPECT_EQ(error_of([&] { future.get(); }).kind(), ErrorKind::kDisconnected);
    returned.set();
  });
  EXPECT_FALSE(half.peer.receive(1000).empty());
  half.peer.hang_up();
  EXPECT_TRUE(returned.wait());
  thread.join();
}

TEST_P(Connections, SendWhatWasGivenToThemBeforeTheyStarted) {
  Half half(GetParam(), test::test_settings(), false);
  auto const expected = long_text();
  auto future = test::call<Lab>(half.caller.connection, fn<&Lab::echo>, long_text());
  half.connection().start();
  EXPECT_TRUE(ends_with(half.peer.receive(kHead + expected.size()), expected));
}

TEST_P(Connections, DrainUntilAllWasHandedOver) {
  Half half(GetParam());
  auto const size = kHead + long_text().size();
  auto future = test::call<Lab>(half.caller.connection, fn<&Lab::echo>, long_text());
  EXPECT_FALSE(half.connection().drain(Deadline::after(2ms)));
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back(
        [&] { EXPECT_TRUE(half.connection().drain(Deadline::after(test::kBound))); });
  }
  EXPECT_EQ(half.peer.receive(size).size(), size);
  for (auto& thread : threads) thread.join();
}

TEST_P(Connections, StopToDrainWhenTheyAreClosed) {
  Half half(GetParam());
  auto future = test::call<Lab>(half.caller.connection, fn<&Lab::echo>, long_text());
  Signal returned;
  std::thread thread([&] {
    EXPECT_FALSE(half.connection().drain(Deadline::never()));
    returned.set();
  });
  half.connection().close(ErrorKind::kDisconnected, "closed");
  EXPECT_TRUE(returned.wait());
  thread.join();
}

TEST_P(Connections, FailWhatWaitsWhenTheyAreClosedAndWhatComesLater) {
  Half half(GetParam());
  auto waiting = test::call<Lab>(half.caller.connection, fn<&Lab::nothing>);
  half.connection().close(ErrorKind::kDisconnected, "we part");
  half.connection().close(ErrorKind::kDisconnected, "again");
  auto late = test::call<Lab>(half.caller.connection, fn<&Lab::nothing>);
  EXPECT_TRUE(late.ready());
  for (auto* future : {&waiting, &late}) {
    auto const error = error_of([&] { future->get(); });
    EXPECT_EQ(error.kind(), ErrorKind::kDisconnected);
    EXPECT_EQ(error.reason(), "we part");
    EXPECT_EQ(error.where().worker, WorkerId{1});
    EXPECT_EQ(error.where().function, "void cohort_test_lab::Lab::nothing()");
  }
  EXPECT_FALSE(half.caller.ended.is_set()) << "on_end is for ends that we did not bring about";
}

TEST_P(Connections, FailWhatWaitsWithTheFirstReasonThatIsGiven) {
  Half half(GetParam());
  ExitReport report;
  report.signal = 9;
  auto waiting = test::call<Lab>(half.caller.connection, fn<&Lab::nothing>);
  half.connection().fail_pending({ErrorKind::kDisconnected, "killed", {}, "Cause", report});
  half.connection().fail_pending({ErrorKind::kProtocol, "later"});
  auto late = test::call<Lab>(half.caller.connection, fn<&Lab::nothing>);
  for (auto* future : {&waiting, &late}) {
    auto const error = error_of([&] { future->get(); });
    EXPECT_EQ(error.reason(), "killed");
    EXPECT_EQ(error.exception_type(), "Cause");
    EXPECT_EQ(error.exit()->signal, 9);
  }
}

TEST_P(Connections, TellOfTheEndOfTheStream) {
  Half half(GetParam());
  half.peer.hang_up();
  ASSERT_TRUE(half.caller.ended.wait());
  EXPECT_EQ(half.caller.end, End::kClosed);
}

TEST_P(Connections, TellOfAGoodbye) {
  Half half(GetParam());
  ASSERT_TRUE(half.peer.send(test::frame_bytes({.kind = FrameKind::kGoodbye})));
  half.peer.hang_up();
  ASSERT_TRUE(half.caller.ended.wait());
  EXPECT_EQ(half.caller.end, End::kGoodbye);
}

TEST_P(Connections, HandOverTheLastWordsOfADyingWorker) {
  Half half(GetParam());
  ASSERT_TRUE(half.peer.send(test::frame_bytes(
      {.kind = FrameKind::kDying},
      test::encoded(RemoteFailure{RemoteFailure::Kind::kThrew, "std::bad_alloc", "no memory"}))));
  half.peer.hang_up();
  ASSERT_TRUE(half.caller.ended.wait());
  ASSERT_TRUE(half.caller.dying.is_set());
  EXPECT_EQ(half.caller.last_words.exception_type, "std::bad_alloc");
  EXPECT_EQ(half.caller.last_words.text, "no memory");
}

TEST_P(Connections, SendLastWordsThoughNobodyDrives) {
  Half half(GetParam(), test::test_settings(), false);
  Message body;
  encode(body, RemoteFailure{RemoteFailure::Kind::kThrew, "E", "bye"});
  auto const size = body.size();
  half.connection().send_last_words(FrameKind::kDying, body, Deadline::after(test::kBound));
  auto const bytes = half.peer.receive(sizeof(FrameHeader) + size);
  EXPECT_EQ(bytes, test::frame_bytes(
                       {.kind = FrameKind::kDying},
                       test::encoded(RemoteFailure{RemoteFailure::Kind::kThrew, "E", "bye"})));
}

TEST_P(Connections, EndWhenThePeerShowsNoSignOfLife) {
  auto settings = test::test_settings();
  settings.heartbeat_interval = 5ms;
  settings.heartbeat_timeout = 20ms;
  auto const begin = Clock::now();
  Half half(GetParam(), settings);
  auto future = test::call<Lab>(half.caller.connection, fn<&Lab::nothing>);
  ASSERT_TRUE(half.caller.ended.wait());
  EXPECT_GE(Clock::now() - begin, 20ms);
  EXPECT_EQ(half.caller.end, End::kSilent);
  EXPECT_EQ(
      error_of([&] { future.get(); }).reason(),
      "no sign of life for 20 ms (heartbeat_timeout): the process hangs or the network is cut");
}

TEST_P(Connections, BearSilenceUntilTheFirstSignOfLifeWhereTheyAreToldTo) {
  auto settings = test::test_settings();
  settings.heartbeat_interval = 5ms;
  settings.heartbeat_timeout = 20ms;
  Half half(GetParam(), settings, false);
  half.connection().allow_late_start();
  half.connection().start();
  auto const heartbeat = test::frame_bytes({.kind = FrameKind::kHeartbeat});
  for (int i = 0; i < 10; ++i) EXPECT_EQ(half.peer.receive(sizeof(FrameHeader)), heartbeat);
  EXPECT_FALSE(half.caller.ended.is_set());
  EXPECT_TRUE(half.peer.send(heartbeat));
  ASSERT_TRUE(half.caller.ended.wait());
  EXPECT_EQ(half.caller.end, End::kSilent);
}

TEST_P(Connections, SendHeartbeatsThoughNobodyDrives) {
  auto settings = test::test_settings();
  settings.heartbeat_interval = 2ms;
  Half half(GetParam(), settings);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(half.peer.receive(sizeof(FrameHeader)),
              test::frame_bytes({.kind = FrameKind::kHeartbeat}));
  }
}

TEST_P(Connections, LiveOnWhileAFunctionComputesForLongerThanTheTimeout) {
  auto settings = test::test_settings();
  settings.heartbeat_interval = 25ms;
  settings.heartbeat_timeout = 400ms;
  Peers<Lab> peers(GetParam(), settings);
  peers.call(fn<&Lab::compute_for>, 1000).get();
  EXPECT_FALSE(peers.caller_side.ended.is_set());
  EXPECT_FALSE(peers.worker_side.ended.is_set());
}

/// Counts what it is handed.
class Counter : public ConnectionHandler {
 public:
  std::atomic<int> calls{0};
  std::atomic<int> shutdowns{0};
  std::shared_ptr<Batch> on_calls(std::shared_ptr<Batch> batch) override {
    calls += static_cast<int>(batch->frames.size());
    return batch;
  }
  void on_cancel(CallId) override {}
  void on_shutdown(bool) override { ++shutdowns; }
  void on_dying(RemoteFailure) override {}
  void on_end(End, std::string) override {}
};

TEST_P(Connections, HandOverOnceWhatCameWithTheHandshakeAndWhatFollowsAtOnce) {
  Engine engine(Engine::Options{.spin = 20us, .tick = 1ms});
  std::atomic<bool> stop{false};
  std::thread driver([&] {
    while (!stop.load()) {
      Event event;
      engine.wait(event, Deadline::after(1ms));
    }
  });
  auto const call = test::frame_bytes({.kind = FrameKind::kCall, .call = CallId{1}});
  auto const shutdown = test::frame_bytes({.kind = FrameKind::kShutdown});
  for (int round = 0; round < 100; ++round) {
    auto channels = test::make_channels(GetParam());
    test::RawPeer peer(std::move(channels.second));
    ASSERT_TRUE(peer.send(call));
    ASSERT_TRUE(peer.send(shutdown));
    Counter counter;
    auto const connection = std::make_shared<Connection>(
        engine, std::move(channels.first), test::test_settings(), Provenance{}, counter, call);
    connection->start();
    ASSERT_TRUE(test::eventually([&] { return counter.shutdowns.load() > 0; }));
    engine.run_locked([] {});
    EXPECT_EQ(counter.calls.load(), 2);
    EXPECT_EQ(counter.shutdowns.load(), 1);
    connection->close(ErrorKind::kDisconnected, "over");
  }
  stop.store(true);
  driver.join();
}

}  // namespace
}  // namespace cohort
