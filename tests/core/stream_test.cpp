// Streams of calls, both ways, over every transport.
#include "core/stream.h"

#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "tests/core/fountain.h"

namespace cohort {
namespace {

class Streams : public OverEachTransport {};
COHORT_OVER_EACH_TRANSPORT(Streams);

template <class T>
std::vector<T> all_of(Stream<T>& stream) {
  std::vector<T> elements;
  for (auto& element : stream) elements.push_back(std::move(element));
  return elements;
}

TEST_P(Streams, CarryElementsInOrderAndThenTheirEnd) {
  for (int const n : {0, 1, 10, 100'000}) {
    auto open = peers.open(fn<&Fountain::count>, n);
    auto const elements = all_of(open.output);
    ASSERT_EQ(elements.size(), static_cast<std::size_t>(n));
    for (int i = 0; i < n; ++i) ASSERT_EQ(elements[static_cast<std::size_t>(i)], i);
    EXPECT_EQ(open.output.reason(), CloseReason::kFinished);
    EXPECT_EQ(open.output.next(), std::nullopt) << "the end stays the end";
    open.result.get();
  }
}

TEST_P(Streams, CarryLargeElementsFromWhereTheyLie) {
  auto open = peers.open(fn<&Fountain::texts>, 20, 300'000);
  int i = 0;
  for (auto const& text : open.output) {
    EXPECT_EQ(text, std::string(300'000, static_cast<char>('a' + i % 26)));
    ++i;
  }
  EXPECT_EQ(i, 20);
}

TEST_P(Streams, EndWithWhatTheFunctionThrewBehindItsElements) {
  auto open = peers.open(fn<&Fountain::count_then_throw>, 5);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(open.output.next(), i);
  auto const error = error_of([&] { static_cast<void>(open.output.next()); });
  EXPECT_EQ(error.kind(), ErrorKind::kFailed);
  EXPECT_EQ(error.reason(), "dry");
  EXPECT_NE(std::string(error.what()).find("count_then_throw"), std::string::npos) << error.what();
  EXPECT_EQ(open.output.reason(), CloseReason::kFailed);
  EXPECT_EQ(error_of([&] { open.result.get(); }).reason(), "dry");
}

TEST_P(Streams, TellTheWriterThatTheReaderWantsNoMore) {
  auto open = peers.open(fn<&Fountain::count_for_ever>);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(open.output.next(), i);
  open.output.close();
  EXPECT_EQ(open.output.next(), std::nullopt);
  EXPECT_EQ(open.output.reason(), CloseReason::kClosedHere);
  ASSERT_TRUE(peers.object.ended.wait());
  EXPECT_EQ(peers.object.seen_reason.load(), CloseReason::kClosedByPeer);
  EXPECT_EQ(error_of([&] { open.result.get(); }).kind(), ErrorKind::kFailed);
}

TEST_P(Streams, TellTheWriterThatTheStreamWasDropped) {
  { auto const dropped = peers.open(fn<&Fountain::count_for_ever>); }
  ASSERT_TRUE(peers.object.ended.wait());
  auto next = peers.open(fn<&Fountain::count>, 3);
  EXPECT_EQ(all_of(next.output).size(), 3u) << "the worker is free again";
}

TEST_P(Streams, WaitForTheirReaderAWindowAhead) {
  auto const window = static_cast<std::int64_t>(test::test_settings().stream_window);
  auto open = peers.open(fn<&Fountain::count_for_ever>);
  EXPECT_EQ(open.output.next(), 0);
  ASSERT_TRUE(eventually([&] { return peers.object.written.load() * 8 > window / 2; }));
  std::this_thread::sleep_for(50ms);  // time enough to write far more
  EXPECT_LT(peers.object.written.load() * 8, window + (1 << 20));
  for (std::int64_t i = 1; i < 1'000'000; ++i) ASSERT_EQ(open.output.next(), i);
}

TEST_P(Streams, EndAWriterThatWaitsWhenTheCallIsCancelled) {
  auto open = peers.open(fn<&Fountain::count_for_ever>);
  ASSERT_TRUE(eventually([&] { return peers.object.written.load() > 10'000; }));
  open.result.cancel();
  ASSERT_TRUE(peers.object.ended.wait());
  EXPECT_EQ(error_of([&] { all_of(open.output); }).kind(), ErrorKind::kCancelled);
}

TEST_P(Streams, EndWithTheConnection) {
  auto open = peers.open(fn<&Fountain::count_for_ever>);
  auto input = peers.open(fn<&Fountain::sum>, 0);
  EXPECT_EQ(open.output.next(), 0);
  peers.stop();
  EXPECT_EQ(error_of([&] { all_of(open.output); }).kind(), ErrorKind::kDisconnected);
  EXPECT_EQ(error_of([&] { input.input.write(1); }).kind(), ErrorKind::kDisconnected);
  EXPECT_EQ(input.input.reason(), CloseReason::kFailed);
  auto late = peers.open(fn<&Fountain::count>, 1);
  EXPECT_EQ(error_of([&] { all_of(late.output); }).kind(), ErrorKind::kDisconnected);
}

TEST_P(Streams, OfAKeptWriterGoOnAfterTheResult) {
  auto open = peers.open(fn<&Fountain::keep>);
  open.result.get();
  peers.object.kept.write("one");
  EXPECT_EQ(open.output.next(), "one");
  std::thread([&] { peers.object.kept.write("two"); }).join();
  EXPECT_EQ(open.output.next(), "two");
  EXPECT_FALSE(open.output.wait_for(1ms));
  peers.object.kept = {};
  EXPECT_EQ(open.output.next(), std::nullopt);
  EXPECT_EQ(open.output.reason(), CloseReason::kFinished);
}

TEST_P(Streams, OfAKeptWriterEndWithWhatItsFunctionThrew) {
  for (auto* which : {"kept", "dropped"}) {
    auto open = std::string(which) == "kept" ? peers.open(fn<&Fountain::keep_then_throw>)
                                             : peers.open(fn<&Fountain::drop_by_throwing>);
    EXPECT_EQ(error_of([&] { all_of(open.output); }).kind(), ErrorKind::kFailed) << which;
  }
  EXPECT_EQ(peers.object.kept.reason(), CloseReason::kFinished);
}

TEST_P(Streams, OfAStateFollowItsFirstValue) {
  auto open = peers.open(fn<&Fountain::watch>);
  peers.object.started.set();
  EXPECT_EQ(open.result.get(), 41);
  peers.object.kept.write("update");
  EXPECT_EQ(open.output.next(), "update");
}

TEST_P(Streams, CarryWhatTheCallerWrites) {
  for (std::int64_t const n : {0, 1, 200'000}) {
    auto open = peers.open(fn<&Fountain::sum>, 5);
    for (std::int64_t i = 0; i < n; ++i) open.input.write(i);
    open.input.close();
    EXPECT_EQ(open.result.get(), 5 + n * (n - 1) / 2);
  }
}

TEST_P(Streams, TellTheCallerThatTheFunctionReadsNoMore) {
  auto open = peers.open(fn<&Fountain::first>);
  open.input.write(9);
  EXPECT_EQ(open.result.get(), 9);
  EXPECT_TRUE(eventually([&] { return open.input.reason() == CloseReason::kClosedByPeer; }));
  EXPECT_EQ(error_of([&] { open.input.write(10); }).kind(), ErrorKind::kCancelled);
}

TEST_P(Streams, MayBeReadAfterTheResult) {
  auto open = peers.open(fn<&Fountain::answer_before_reading>);
  EXPECT_EQ(open.result.get(), 7);
  open.input.write(1);
  EXPECT_EQ(peers.object.kept_in.next(), 1);
  open.input = {};
  EXPECT_EQ(peers.object.kept_in.next(), std::nullopt);
}

TEST_P(Streams, EndForTheFunctionWhenItsCallIsCancelled) {
  auto open = peers.open(fn<&Fountain::sum>, 0);
  open.input.write(1);
  open.result.cancel();
  EXPECT_EQ(error_of([&] { open.input.write(2); }).kind(), ErrorKind::kCancelled);
  auto next = peers.open(fn<&Fountain::count>, 3);
  EXPECT_EQ(all_of(next.output).size(), 3u) << "the worker is free again";
}

TEST_P(Streams, GoBothWaysAtOnce) {
  auto open = peers.open(fn<&Fountain::scale>, 2.0);
  std::thread writer([&] {
    for (int i = 0; i < 100'000; ++i) open.input.write(i);
    open.input.close();
  });
  double sum = 0;
  for (auto const value : open.output) sum += value;
  writer.join();
  EXPECT_EQ(sum, 2.0 * 99'999 * 50'000);
  EXPECT_EQ(open.result.get(), sum);
}

TEST_P(Streams, TakeElementsOfManyThreads) {
  auto open = peers.open(fn<&Fountain::sum>, 0);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (std::int64_t k = 1; k <= 50'000; ++k) open.input.write(k);
    });
  }
  for (auto& thread : threads) thread.join();
  open.input.close();
  EXPECT_EQ(open.result.get(), 4LL * 25'000 * 50'001);
}

TEST_P(Streams, PostedCallsRunInOrderAndAreNotAnswered) {
  for (int i = 1; i <= 100; ++i) {
    detail::post_call<&Fountain::note>(peers.caller_side.connection,
                                       CheckedFunction<Fountain, &Fountain::note>::id, i);
  }
  auto open = peers.open(fn<&Fountain::count>, 1);
  open.result.get();
  EXPECT_EQ(peers.object.received.load(), 100);
  EXPECT_TRUE(peers.object.in_order.load());
}

TEST_P(Streams, PostedCallsThrowOnceTheConnectionHasEnded) {
  auto const post = [&] {
    detail::post_call<&Fountain::note>(peers.caller_side.connection,
                                       CheckedFunction<Fountain, &Fountain::note>::id, 1);
  };
  post();
  peers.stop();
  EXPECT_EQ(error_of(post).kind(), ErrorKind::kDisconnected);
}

TEST_P(Streams, PostedCallsThatThrowAreToldToTheWorkersOwner) {
  Signal heard;
  RemoteFailure failure;
  peers.worker_side.dispatcher.on_background_failure([&](RemoteFailure what) {
    failure = std::move(what);
    heard.set();
  });
  detail::post_call<&Fountain::fail_at_once>(
      peers.caller_side.connection, CheckedFunction<Fountain, &Fountain::fail_at_once>::id);
  ASSERT_TRUE(heard.wait());
  EXPECT_EQ(failure.text, "posted");
  EXPECT_NE(failure.function.find("fail_at_once"), std::string::npos);
}

TEST_P(Streams, EndWithAnErrorWhereAnExceptionDestroysTheCallersWriter) {
  auto open = peers.open(fn<&Fountain::sum>, 0);
  try {
    auto input = std::exchange(open.input, {});
    input.write(1);
    throw std::runtime_error("the next line does not parse");
  } catch (std::runtime_error const&) {
  }
  auto const error = error_of([&] { open.result.get(); });
  EXPECT_EQ(error.kind(), ErrorKind::kFailed);
  EXPECT_NE(error.reason().find("an exception destroyed"), std::string::npos) << error.reason();
}

TEST_P(Streams, EndWithAnErrorWhereTheFunctionHandlesTheExceptionThatDestroysItsWriter) {
  auto open = peers.open(fn<&Fountain::lose_the_writer>);
  open.result.get();
  auto const error = error_of([&] { open.output.next(); });
  EXPECT_EQ(error.kind(), ErrorKind::kFailed);
  EXPECT_NE(error.reason().find("an exception destroyed"), std::string::npos) << error.reason();
}

TEST_P(Streams, RefuseACallWithoutTheStreamsOfItsFunction) {
  auto const connection = peers.caller_side.connection;
  auto without = detail::start_call<&Fountain::note>(
      connection, CheckedFunction<Fountain, &Fountain::count>::id, 1);
  EXPECT_EQ(error_of([&] { without.get(); }).kind(), ErrorKind::kRefused);
  auto with = detail::open_call<&Fountain::count>(
      connection, CheckedFunction<Fountain, &Fountain::note>::id, 1);
  EXPECT_EQ(error_of([&] { with.result.get(); }).kind(), ErrorKind::kRefused);
  EXPECT_EQ(error_of([&] { with.output.next(); }).kind(), ErrorKind::kRefused);
  EXPECT_TRUE(eventually([&] { return peers.worker_side.connection->streams().size() == 0; }));
}

TEST_P(Streams, TryToWriteWithoutWaiting) {
  auto open = peers.open(fn<&Fountain::answer_before_reading>);
  open.result.get();
  int written = 0;
  while (open.input.try_write(written)) ++written;
  EXPECT_EQ(open.input.reason(), CloseReason::kOpen) << "the window is full";
  EXPECT_GT(written, 0);
  open.input.close();
  EXPECT_EQ(all_of(peers.object.kept_in).size(), static_cast<std::size_t>(written));
}

// Under a small max_message_size.

class SmallMessages : public ::testing::TestWithParam<Transport> {
 protected:
  static Settings settings() {
    auto chosen = test::test_settings();
    chosen.max_message_size = 2048;
    return chosen;
  }
  Peers<Fountain> peers{GetParam(), settings()};
};
COHORT_OVER_EACH_TRANSPORT(SmallMessages);

TEST_P(SmallMessages, HoldTheElementsOfAStreamByAndBy) {
  auto open = peers.open(fn<&Fountain::count>, 10'000);
  EXPECT_EQ(all_of(open.output).size(), 10'000u);
}

TEST_P(SmallMessages, HoldNoElementThatIsLarger) {
  auto open = peers.open(fn<&Fountain::texts>, 1, 5000u);
  auto const error = error_of([&] { open.result.get(); });
  EXPECT_EQ(error.kind(), ErrorKind::kRefused);
  EXPECT_EQ(error.where().worker, WorkerId{3}) << "who writes";
  EXPECT_NE(error.where().function.find("texts"), std::string::npos) << error.what();
  EXPECT_EQ(error.reason(),
            "a stream's element of 5008 bytes, which exceeds max_message_size = 2048 "
            "(COHORT_MAX_MESSAGE_SIZE raises it)");
  EXPECT_EQ(error_of([&] { open.output.next(); }).kind(), ErrorKind::kRefused);
  auto fitting = peers.open(fn<&Fountain::texts>, 2, 1000u);
  EXPECT_EQ(all_of(fitting.output).size(), 2u) << "the connection goes on";
}

TEST_P(SmallMessages, HoldNoMoreOfAFailuresText) {
  auto const error = error_of([&] { peers.call(fn<&Fountain::fail_at_length>, 5000u).get(); });
  EXPECT_EQ(error.kind(), ErrorKind::kFailed);
  EXPECT_EQ(error.reason(), std::string(512, 'x'));
}

TEST_P(Streams, LeaveNothingInTheTables) {
  for (int round = 0; round < 20; ++round) {
    auto finished = peers.open(fn<&Fountain::count>, 10);
    all_of(finished.output);
    auto dropped = peers.open(fn<&Fountain::count_for_ever>);
    auto failed = peers.open(fn<&Fountain::count_then_throw>, 1);
    auto written = peers.open(fn<&Fountain::first>);
  }
  EXPECT_EQ(peers.connection().streams().size(), 0u);
  auto last = peers.open(fn<&Fountain::count>, 1);
  last.result.get();
  EXPECT_TRUE(eventually([&] { return peers.worker_side.connection->streams().size() == 0; }));
}

}  // namespace
}  // namespace cohort
