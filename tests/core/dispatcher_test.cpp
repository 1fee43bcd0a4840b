// What the worker's side makes of calls, over every transport.
#include "core/dispatcher.h"

#include <array>
#include <string>

#include <gtest/gtest.h>

#include "tests/core/lab.h"
#include "tests/support/peers.h"

namespace cohort {
namespace {

using cohort_test_lab::Lab;
using test::error_of;
using test::Peers;
using test::Transport;

class Dispatch : public ::testing::TestWithParam<Transport> {
 protected:
  Peers<Lab> peers{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Each, Dispatch,
                         ::testing::Values(Transport::kInproc, Transport::kUnix, Transport::kTcp),
                         ::testing::PrintToStringParamName());

TEST_P(Dispatch, RunsTheFunctionThatTheCallNames) {
  EXPECT_EQ(peers.call(fn<&Lab::add>, 2, 3).get(), 5);
  EXPECT_EQ(peers.call(fn<&Lab::echo>, "text").get(), "text");
  peers.call(fn<&Lab::nothing>).get();
  EXPECT_EQ(peers.call(fn<&Lab::scale>, std::vector{1.0, 2.0}, 2).get(), (std::vector{2.0, 4.0}));
}

TEST_P(Dispatch, RunsCallsInTheOrderInWhichTheyWereMade) {
  std::vector<Future<std::string>> futures;
  for (int i = 0; i < 1000; ++i) futures.push_back(peers.call(fn<&Lab::echo>, std::to_string(i)));
  for (std::size_t i = futures.size(); i-- > 0;) EXPECT_EQ(futures[i].get(), std::to_string(i));
}

TEST_P(Dispatch, ReportsTypeAndTextOfAnException) {
  auto const error = error_of([&] { peers.call(fn<&Lab::throw_invalid_argument>, "no").get(); });
  EXPECT_EQ(error.kind(), ErrorKind::kFailed);
  EXPECT_EQ(error.exception_type(), "std::invalid_argument");
  EXPECT_EQ(error.reason(), "no");
  EXPECT_STREQ(error.what(),
               "worker 3 (node7, pid 42): int cohort_test_lab::Lab::throw_invalid_argument("
               "std::string): failed: std::invalid_argument: no");
}

TEST_P(Dispatch, TellsADecodeErrorOfTheFunctionFromBadArguments) {
  EXPECT_EQ(error_of([&] { peers.call(fn<&Lab::throw_decode_error>).get(); }).kind(),
            ErrorKind::kFailed);
}

TEST_P(Dispatch, WaitsForACallerThatDoesNotFetchItsResults) {
  constexpr int kCalls = 100;
  auto channels = test::make_channels(GetParam());
  test::RawPeer caller(std::move(channels.second));
  Engine engine;
  Lab lab;
  test::WorkerSide worker(engine);
  worker.dispatcher.serve(&lab, test::FunctionsOf<Lab, Lab::Functions>::value);
  worker.connection = std::make_shared<Connection>(engine, std::move(channels.first),
                                                   test::test_settings(), Provenance{}, worker);
  worker.connection->start();
  std::thread thread([&] { worker.dispatcher.run(); });

  auto const body = test::encoded(std::uint64_t{1 << 20});
  for (std::uint64_t i = 0; i < kCalls; ++i) {
    ASSERT_TRUE(caller.send(test::frame_bytes({.kind = FrameKind::kCall,
                                               .function = CheckedFunction<Lab, &Lab::text_of>::id,
                                               .call = CallId{i},
                                               .length = body.size()},
                                              body)));
  }
  ASSERT_TRUE(test::eventually([&] { return lab.counted.load() > 32; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // time enough to run all of them
  EXPECT_LT(lab.counted.load(), 60);
  constexpr auto kReply = sizeof(FrameHeader) + 8 + (1 << 20);
  EXPECT_EQ(caller.receive(kCalls * kReply).size(), kCalls * kReply);

  worker.dispatcher.stop();
  thread.join();
  worker.connection->close(ErrorKind::kDisconnected, "over");
}

TEST_P(Dispatch, ReportsWhatIsThrownThoughItIsNoException) {
  auto const number = error_of([&] { peers.call(fn<&Lab::throw_int>).get(); });
  EXPECT_EQ(number.kind(), ErrorKind::kFailed);
  EXPECT_EQ(number.exception_type(), "int");
  auto const text = error_of([&] { peers.call(fn<&Lab::throw_text>).get(); });
  EXPECT_EQ(text.reason(), "just text");
  auto const odd = error_of([&] { peers.call(fn<&Lab::throw_odd>).get(); });
  EXPECT_EQ(odd.exception_type(), "cohort_test_lab::NotAnException");
}

TEST_P(Dispatch, GoesOnAfterAFunctionThrew) {
  auto failing = peers.call(fn<&Lab::throw_int>);
  auto following = peers.call(fn<&Lab::add>, 1, 1);
  EXPECT_THROW(failing.get(), Error);
  EXPECT_EQ(following.get(), 2);
}

TEST_P(Dispatch, RefusesArgumentsThatDoNotDecode) {
  EXPECT_EQ(peers.call(fn<&Lab::halve>, cohort_test_lab::Even{4}).get(), 2);
  auto const error = error_of([&] { peers.call(fn<&Lab::halve>, cohort_test_lab::Even{3}).get(); });
  EXPECT_EQ(error.kind(), ErrorKind::kRefused);
  EXPECT_NE(error.reason().find("an odd number"), std::string::npos) << error.reason();
}

TEST_P(Dispatch, RefusesArgumentsOfAnotherFunction) {
  auto const id = CheckedFunction<Lab, &Lab::echo>::id;
  auto future = detail::start_call<&Lab::add>(peers.caller_side.connection, id, -1, -1);
  EXPECT_EQ(error_of([&] { future.get(); }).kind(), ErrorKind::kRefused);
  EXPECT_EQ(peers.call(fn<&Lab::add>, 1, 1).get(), 2);
}

TEST_P(Dispatch, RefusesUnknownFunctions) {
  for (auto const id : {std::uint32_t{999}, kFirstBuiltinFunction, 0xffff'ffffU}) {
    auto future = detail::start_call<&Lab::nothing>(peers.caller_side.connection, FunctionId{id});
    auto const error = error_of([&] { future.get(); });
    EXPECT_EQ(error.kind(), ErrorKind::kRefused);
    EXPECT_EQ(error.reason(), "the worker has no function " + std::to_string(id));
  }
}

TEST_P(Dispatch, ReportsWhereACallStands) {
  using Stage = CallReport::Stage;
  std::array<Future<int>, 2> answers{peers.call(fn<&Lab::wait_for_gate>, 5),
                                     peers.call(fn<&Lab::add>, 1, 2)};
  auto last = peers.call(fn<&Lab::count>);
  ASSERT_TRUE(peers.object.started.wait());
  auto const report = [&](std::uint64_t slot, Client const& client) {
    return peers.worker_side.dispatcher.report(client, CallId{std::uint64_t{1} << 32 | slot},
                                               [](Client const*) { return "another"; });
  };
  auto const& client = *peers.worker_side.client;
  ASSERT_TRUE(test::eventually([&] { return report(2, client).stage == Stage::kQueued; }));
  EXPECT_EQ(report(2, client).ahead, 1u);
  EXPECT_TRUE(report(2, client).one_at_a_time);
  ASSERT_EQ(report(1, client).running.size(), 1u);
  EXPECT_TRUE(report(1, client).running[0].is_yours);
  EXPECT_EQ(report(1, client).ahead, 0u);
  EXPECT_EQ(report(0, client).stage, Stage::kRuns);
  EXPECT_NE(report(0, client).running.at(0).function.find("wait_for_gate"), std::string::npos);
  EXPECT_EQ(report(3, client).stage, Stage::kNotHere);
  EXPECT_EQ(report(0, Client()).stage, Stage::kNotHere);
  peers.object.gate.set();
  for (auto& answer : answers) static_cast<void>(answer.get());
  last.get();
  EXPECT_EQ(report(0, client).stage, Stage::kNotHere);
}

TEST_P(Dispatch, NeverRunsACallThatWasCancelledWhileItWaited) {
  auto running = peers.call(fn<&Lab::wait_for_gate>, 5);
  auto before = peers.call(fn<&Lab::count>);
  auto queued = peers.call(fn<&Lab::count>);
  auto after = peers.call(fn<&Lab::count>);
  ASSERT_TRUE(peers.object.started.wait());
  queued.cancel();
  ASSERT_TRUE(test::eventually([&] { return peers.worker_side.cancels.load() == 1; }));
  peers.object.gate.set();
  EXPECT_EQ(running.get(), 5);
  before.get();
  after.get();
  EXPECT_EQ(peers.object.counted.load(), 2);
}

TEST_P(Dispatch, TriggersTheStopTokenOfACancelledCallThatRuns) {
  auto future = peers.call(fn<&Lab::wait_for_stop>);
  ASSERT_TRUE(peers.object.started.wait());
  future.cancel();
  EXPECT_TRUE(peers.object.saw_stop.wait());
  EXPECT_EQ(error_of([&] { future.get(); }).kind(), ErrorKind::kCancelled);
  EXPECT_EQ(peers.call(fn<&Lab::add>, 1, 1).get(), 2);
}

TEST_P(Dispatch, AttendsToTheConnectionWhileAStopCallbackRuns) {
  auto future = peers.call(fn<&Lab::hold_up_the_stop>);
  ASSERT_TRUE(peers.object.started.wait());
  auto queued = peers.call(fn<&Lab::count>);
  future.cancel();
  ASSERT_TRUE(peers.object.saw_stop.wait());
  queued.cancel();
  EXPECT_TRUE(test::eventually([&] { return peers.worker_side.cancels.load() == 2; }));
  peers.object.gate.set();
  EXPECT_EQ(peers.call(fn<&Lab::add>, 1, 1).get(), 2);
  EXPECT_EQ(peers.object.counted.load(), 0);
}

TEST_P(Dispatch, TriggersNoStopTokenOfAnotherCall) {
  auto running = peers.call(fn<&Lab::wait_for_stop>);
  ASSERT_TRUE(peers.object.started.wait());
  auto queued = peers.call(fn<&Lab::count>);
  queued.cancel();
  ASSERT_TRUE(test::eventually([&] { return peers.worker_side.cancels.load() == 1; }));
  EXPECT_FALSE(peers.object.saw_stop.wait(std::chrono::milliseconds(20)));
  running.cancel();
  EXPECT_TRUE(peers.object.saw_stop.wait());
}

class DispatchSideBySide : public Dispatch {
 protected:
  void SetUp() override {
    auto& dispatcher = peers.worker_side.dispatcher;
    dispatcher.enqueue([&dispatcher] { dispatcher.run_side_by_side(2); });
  }
};

INSTANTIATE_TEST_SUITE_P(Each, DispatchSideBySide,
                         ::testing::Values(Transport::kInproc, Transport::kUnix, Transport::kTcp),
                         ::testing::PrintToStringParamName());

TEST_P(DispatchSideBySide, NeverRunsACallThatWasCancelledWhileItWaited) {
  auto first = peers.call(fn<&Lab::wait_for_gate>, 1);
  auto second = peers.call(fn<&Lab::wait_for_gate>, 2);
  auto queued = peers.call(fn<&Lab::count>);
  ASSERT_TRUE(peers.object.started.wait());
  queued.cancel();
  ASSERT_TRUE(test::eventually([&] { return peers.worker_side.cancels.load() == 1; }));
  peers.object.gate.set();
  EXPECT_EQ(first.get() + second.get(), 3);
  EXPECT_EQ(peers.call(fn<&Lab::add>, 1, 1).get(), 2);
  EXPECT_EQ(peers.object.counted.load(), 0);
}

TEST_P(DispatchSideBySide, TriggersTheStopTokenOfAPostedCallAfterAnotherEnded) {
  auto const& connection = peers.caller_side.connection;
  detail::post_call<&Lab::wait_for_stop>(connection, CheckedFunction<Lab, &Lab::wait_for_stop>::id);
  ASSERT_TRUE(peers.object.started.wait());
  detail::post_call<&Lab::glance>(connection, CheckedFunction<Lab, &Lab::glance>::id);
  ASSERT_TRUE(test::eventually([&] { return peers.object.counted.load() == 1; }));
  EXPECT_EQ(peers.call(fn<&Lab::add>, 1, 1).get(), 2) << "it has ended";
  peers.worker_side.dispatcher.stop();
  EXPECT_TRUE(peers.object.saw_stop.wait());
}

TEST_P(Dispatch, TriggersTheStopTokenWhenTheWorkerIsToEnd) {
  auto future = peers.call(fn<&Lab::wait_for_stop>);
  ASSERT_TRUE(peers.object.started.wait());
  peers.connection().send_control(FrameKind::kShutdown);
  EXPECT_TRUE(peers.object.saw_stop.wait());
  EXPECT_TRUE(future.get());
}

TEST_P(Dispatch, RunsNothingMoreOnceItIsStopped) {
  auto running = peers.call(fn<&Lab::wait_for_stop>);
  auto queued = peers.call(fn<&Lab::count>);
  ASSERT_TRUE(peers.object.started.wait());
  peers.worker_side.dispatcher.stop();
  EXPECT_TRUE(running.get());
  peers.stop();
  EXPECT_EQ(peers.object.counted.load(), 0);
  EXPECT_EQ(error_of([&] { queued.get(); }).kind(), ErrorKind::kDisconnected);
}

}  // namespace
}  // namespace cohort
