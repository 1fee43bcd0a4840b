// Streams of calls, both ways, over every transport.
#include "core/stream.h"

#include <atomic>
#include <future>
#include <mutex>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/peers.h"

namespace cohort_test_stream {

using cohort::CloseReason;
using cohort::State;
using cohort::Stream;
using cohort::Writer;

/// Every kind of function that streams. Its gates are shared with the test.
class Fountain {
 public:
  void count(int n, Writer<int>& out) {
    for (int i = 0; i < n; ++i) out.write(i);
  }
  void count_for_ever(Writer<std::int64_t>& out) {
    try {
      for (std::int64_t i = 0;; ++i) {
        out.write(i);
        written = i + 1;
      }
    } catch (cohort::Error const&) {
      seen_reason = out.reason();
      ended.set();
      throw;
    }
  }
  void count_then_throw(int n, Writer<int>& out) {
    for (int i = 0; i < n; ++i) out.write(i);
    throw std::runtime_error("dry");
  }
  void texts(int n, std::uint64_t size, Writer<std::string>& out) {
    for (int i = 0; i < n; ++i) out.write(std::string(size, static_cast<char>('a' + i % 26)));
  }
  void keep(Writer<std::string> out) { kept = std::move(out); }
  void keep_then_throw(Writer<std::string> out) {
    kept = std::move(out);
    throw std::runtime_error("kept in vain");
  }
  void drop_by_throwing(Writer<std::string>) { throw std::runtime_error("never kept"); }
  State<int, std::string> watch(Writer<std::string> out) {
    kept = std::move(out);
    return {41};
  }
  std::int64_t sum(std::int64_t start, Stream<std::int64_t>& in) {
    for (auto const value : in) start += value;
    return start;
  }
  int first(Stream<int>& in) { return in.next().value_or(-1); }
  int answer_before_reading(Stream<int> in) {
    kept_in = std::move(in);
    return 7;
  }
  void sum_by_callback(Stream<int> in) {
    std::move(in)
        .subscribe([this](int value) { received += value; },
                   [this](CloseReason reason) {
                     seen_reason = reason;
                     ended.set();
                   })
        .detach();
  }
  void die_in_callback(Stream<int> in) {
    std::move(in).subscribe([](int) { throw std::runtime_error("in a callback"); }).detach();
  }
  double scale(double by, Stream<double>& in, Writer<double>& out) {
    double total = 0;
    for (auto const value : in) {
      out.write(value * by);
      total += value * by;
    }
    return total;
  }
  void fail_at_once() {
    started.set();
    throw std::runtime_error("posted");
  }
  void note(int value) { received += value; }

  std::atomic<std::int64_t> written{0};
  std::atomic<int> received{0};
  std::atomic<CloseReason> seen_reason{CloseReason::kOpen};
  cohort::test::Signal started;
  cohort::test::Signal ended;
  Writer<std::string> kept;
  Stream<int> kept_in;

  using Functions =
      cohort::FunctionList<&Fountain::count, &Fountain::count_for_ever, &Fountain::count_then_throw,
                           &Fountain::texts, &Fountain::keep, &Fountain::keep_then_throw,
                           &Fountain::drop_by_throwing, &Fountain::watch, &Fountain::sum,
                           &Fountain::first, &Fountain::answer_before_reading,
                           &Fountain::sum_by_callback, &Fountain::die_in_callback, &Fountain::scale,
                           &Fountain::fail_at_once, &Fountain::note>;
};

}  // namespace cohort_test_stream

namespace cohort {
namespace {

using namespace std::chrono_literals;
using cohort_test_stream::Fountain;
using test::error_of;
using test::eventually;
using test::Peers;
using test::Signal;
using test::Transport;

class Streams : public ::testing::TestWithParam<Transport> {
 protected:
  Peers<Fountain> peers{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Each, Streams,
                         ::testing::Values(Transport::kInproc, Transport::kUnix, Transport::kTcp),
                         ::testing::PrintToStringParamName());

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

TEST_P(Streams, FeedACallback) {
  auto open = peers.open(fn<&Fountain::count>, 10'000);
  std::int64_t sum = 0;
  CloseReason end{};
  auto const subscription =
      std::move(open.output)
          .subscribe([&](int value) { sum += value; }, [&](CloseReason reason) { end = reason; });
  EXPECT_EQ(subscription.wait(), CloseReason::kFinished);
  EXPECT_EQ(sum, 9'999LL * 5'000);
  EXPECT_EQ(end, CloseReason::kFinished);
}

TEST_P(Streams, AreClosedByACallbackThatHasEnough) {
  auto open = peers.open(fn<&Fountain::count_for_ever>);
  int calls = 0;
  auto const subscription =
      std::move(open.output).subscribe([&](std::int64_t) { return ++calls < 5; });
  EXPECT_EQ(subscription.wait(), CloseReason::kClosedHere);
  EXPECT_EQ(calls, 5);
  EXPECT_TRUE(peers.object.ended.wait());
}

TEST_P(Streams, GiveWhatACallbackThrewToWhoWaits) {
  auto open = peers.open(fn<&Fountain::count_for_ever>);
  auto const subscription = std::move(open.output).subscribe([](std::int64_t value) {
    throw std::out_of_range(std::to_string(value));
  });
  EXPECT_THROW(subscription.wait(), std::out_of_range);
  EXPECT_TRUE(peers.object.ended.wait());
}

TEST_P(Streams, TellASubscriptionHowTheyFailed) {
  auto open = peers.open(fn<&Fountain::count_then_throw>, 3);
  int calls = 0;
  auto const subscription = std::move(open.output).subscribe([&](int) { ++calls; });
  EXPECT_EQ(error_of([&] { subscription.wait(); }).reason(), "dry");
  EXPECT_EQ(calls, 3);
}

TEST_P(Streams, FeedACallbackOfTheWorker) {
  auto open = peers.open(fn<&Fountain::sum_by_callback>);
  open.result.get();
  for (int i = 1; i <= 100; ++i) open.input.write(i);
  EXPECT_TRUE(eventually([&] { return peers.object.received.load() == 5050; }));
  open.input.close();
  EXPECT_TRUE(peers.object.ended.wait());
  EXPECT_EQ(peers.object.seen_reason.load(), CloseReason::kFinished);
}

TEST_P(Streams, LetCallbacksCallAndWait) {
  auto open = peers.open(fn<&Fountain::keep>);
  open.result.get();
  int sum = 0;
  auto const subscription = std::move(open.output).subscribe([&](std::string const& text) {
    auto inner = peers.open(fn<&Fountain::count>, static_cast<int>(text.size()));
    for (int const i : inner.output) sum += i;
  });
  peers.object.kept.write("four");
  peers.object.kept.write("three");
  peers.object.kept = {};
  EXPECT_EQ(subscription.wait(), CloseReason::kFinished);
  EXPECT_EQ(sum, 6 + 10);
}

TEST_P(Streams, TellOfACallbackThatThrewWhereNobodyWaits) {
  Signal heard;
  std::string text;
  peers.worker_engine.on_uncaught([&](ExceptionText const& thrown) {
    text = thrown.what;
    heard.set();
  });
  auto open = peers.open(fn<&Fountain::die_in_callback>);
  open.input.write(1);
  ASSERT_TRUE(heard.wait());
  EXPECT_EQ(text, "in a callback");
}

TEST_P(Streams, AreClosedWhenTheirSubscriptionGoesAndNoCallbackRunsAfterwards) {
  auto open = peers.open(fn<&Fountain::count_for_ever>);
  auto alive = std::make_unique<std::atomic<std::int64_t>>(0);
  {
    auto const subscription =
        std::move(open.output).subscribe([&alive](std::int64_t) { ++*alive; });
    EXPECT_TRUE(eventually([&] { return *alive > 1000; }));
  }
  alive.reset();
  EXPECT_TRUE(peers.object.ended.wait());
}

TEST_P(Streams, LetNoCallbackWaitForItsOwnEnd) {
  auto open = peers.open(fn<&Fountain::count>, 1);
  Subscription subscription;
  EXPECT_THROW(subscription.wait(), std::logic_error) << "it belongs to no stream";
  std::promise<void> assigned;
  bool refused = false;
  subscription = std::move(open.output).subscribe([&, ready = assigned.get_future()](int) {
    ready.wait();
    try {
      subscription.wait();
    } catch (std::logic_error const&) {
      refused = true;
    }
  });
  assigned.set_value();
  EXPECT_EQ(subscription.wait(), CloseReason::kFinished);
  EXPECT_TRUE(refused);
}

TEST_P(Streams, TellOfACallbackThatThrewBeforeItsSubscriptionWasLeft) {
  std::atomic<int> heard{0};
  peers.caller_engine.on_uncaught([&](ExceptionText const&) { ++heard; });
  auto const throwing = [&] {
    Signal thrown;
    auto open = peers.open(fn<&Fountain::count>, 1);
    auto subscription = std::move(open.output)
                            .subscribe([](int) { throw std::runtime_error("early"); },
                                       [&](CloseReason) { thrown.set(); });
    EXPECT_TRUE(thrown.wait());
    EXPECT_TRUE(subscription.wait_for(20s));
    return subscription;
  };
  throwing().detach();
  EXPECT_EQ(heard, 1);
  { auto const dropped = throwing(); }
  EXPECT_EQ(heard, 2);
  {
    auto const waited_for = throwing();
    EXPECT_THROW(waited_for.wait(), std::runtime_error);
  }
  EXPECT_EQ(heard, 2) << "once is enough";
}

TEST_P(Streams, PostedCallsRunInOrderAndAreNotAnswered) {
  for (int i = 1; i <= 100; ++i) {
    detail::post_call<&Fountain::note>(peers.caller_side.connection,
                                       CheckedFunction<Fountain, &Fountain::note>::id, i);
  }
  auto open = peers.open(fn<&Fountain::count>, 1);
  open.result.get();
  EXPECT_EQ(peers.object.received.load(), 5050);
  EXPECT_EQ(peers.connection().pending_calls(), 0u);
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
