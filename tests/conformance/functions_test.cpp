// The kinds of functions (parity A1, A3 to A10), the same wherever the worker is.
#include <future>
#include <numeric>

#include "tests/conformance/conformance.h"

namespace conformance {
namespace {

class Functions : public Conformance {};
COHORT_EACH_PLACE(Functions);
class FunctionsOfAProcess : public ProcessConformance {};
COHORT_EACH_PROCESS_PLACE(FunctionsOfAProcess);

TEST_P(Functions, TakeSeveralArgumentsAndTheInit) {
  auto const worker = start(100);
  EXPECT_EQ(worker.call(fn<&Everything::add>, 1, 2).get(), 103);
  EXPECT_EQ(worker.call(fn<&Everything::join>, std::vector<std::string>{"a", "b"}, "-").get(),
            "a-b");
  std::vector<double> many(300'000);
  std::iota(many.begin(), many.end(), 0.0);
  EXPECT_EQ(worker.call(fn<&Everything::echo>, many).get(), many);
}

TEST_P(Functions, TellTheCallerOfAConstructorThatThrows) {
  auto const error = error_of([&] { static_cast<void>(start(-1)); });
  EXPECT_EQ(error.kind(), ErrorKind::kFailed);
  EXPECT_EQ(error.exception_type(), "std::invalid_argument");
  EXPECT_EQ(error.reason(), "a start of -1");
  EXPECT_EQ(start(1).call(fn<&Everything::add>, 1, 1).get(), 3);
  EXPECT_EQ(times_told(), 0u);
}

TEST_P(Functions, StreamOut) {
  auto const worker = start();
  std::int64_t next = 0;
  for (auto const i : worker.stream(fn<&Everything::count>, 50'000)) EXPECT_EQ(i, next++);
  EXPECT_EQ(next, 50'000);
  auto open = worker.open(fn<&Everything::count_and_return>, 3);
  EXPECT_EQ(all_of(open.output), (std::vector<std::int64_t>{0, 1, 2}));
  EXPECT_EQ(open.result.get(), 7);
}

TEST_P(Functions, EndAStreamWithWhatTheyThrow) {
  auto const worker = start();
  auto stream = worker.stream(fn<&Everything::count_then_fail>, 2);
  EXPECT_EQ(stream.next(), 0);
  EXPECT_EQ(stream.next(), 1);
  auto const error = error_of([&] { static_cast<void>(stream.next()); });
  EXPECT_EQ(error.kind(), ErrorKind::kFailed);
  EXPECT_EQ(error.reason(), "no more");
  EXPECT_EQ(stream.reason(), CloseReason::kFailed);
  EXPECT_EQ(worker.call(fn<&Everything::add>, 1, 1).get(), 2);
  EXPECT_EQ(times_told(), 0u);
}

TEST_P(Functions, EndTheStreamThatTheyReadWhereTheyThrow) {
  auto const worker = start();
  auto open = worker.open(fn<&Everything::read_one_then_fail>);
  open.input.write(7);
  open.input.flush();
  auto const error = error_of([&] { open.result.get(); });
  EXPECT_EQ(error.kind(), ErrorKind::kFailed);
  EXPECT_EQ(error.reason(), "no more than 7");
  EXPECT_TRUE(eventually([&] { return open.input.reason() == CloseReason::kClosedByPeer; }));
  EXPECT_EQ(error_of([&] {
              for (;;) open.input.write(8);
            }).kind(),
            ErrorKind::kCancelled);
  EXPECT_EQ(worker.call(fn<&Everything::add>, 1, 1).get(), 2);
  EXPECT_EQ(times_told(), 0u);
}

TEST_P(Functions, HearThatTheirReaderHasEnough) {
  auto const worker = start();
  auto stream = worker.stream(fn<&Everything::count>, std::int64_t{1} << 60);
  EXPECT_EQ(stream.next(), 0);
  stream.close();
  EXPECT_EQ(worker.call(fn<&Everything::how_the_last_stream_ended>).get(),
            "closed by the remote side");
}

TEST_P(Functions, KeepAWriterAndWriteLater) {
  auto const worker = start();
  auto open = worker.open(fn<&Everything::keep>);
  open.result.get();
  worker.call(fn<&Everything::write_to_kept>, "later").get();
  EXPECT_EQ(open.output.next(), "later");
  worker.call(fn<&Everything::close_kept>).get();
  EXPECT_EQ(open.output.next(), std::nullopt);
}

TEST_P(Functions, KeepAWriterForAThreadThatWritesWhileTheyRun) {
  auto const worker = start();
  auto open = worker.open(fn<&Everything::keep>);
  open.result.get();
  std::atomic<std::int64_t> next{0};
  int by_calls = 0;
  int astray = 0;
  auto const reading = std::move(open.output).subscribe([&](std::string const& text) {
    if (text == std::to_string(next)) {
      ++next;
    } else {
      ++(text == "by a call" ? by_calls : astray);
    }
  });
  worker.call(fn<&Everything::write_on_a_thread>).get();
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(worker.call(fn<&Everything::add>, i, 1).get(), i + 1);
    worker.call(fn<&Everything::write_to_kept>, "by a call").get();
  }
  EXPECT_TRUE(eventually([&] { return next > 1000; }));
  auto const written = worker.call(fn<&Everything::stop_writing>).get();
  worker.call(fn<&Everything::close_kept>).get();
  EXPECT_EQ(reading.wait(), CloseReason::kFinished);
  EXPECT_EQ(next, written);
  EXPECT_EQ(by_calls, 300);
  EXPECT_EQ(astray, 0);
}

TEST_P(Functions, GiveAStateAndItsUpdates) {
  auto const worker = start();
  auto first = worker.open(fn<&Everything::keep>);
  worker.call(fn<&Everything::write_to_kept>, "before").get();
  auto [initial, updates] = worker.state(fn<&Everything::watch>);
  EXPECT_EQ(initial, (std::vector<std::string>{"before"}));
  worker.call(fn<&Everything::write_to_kept>, "after").get();
  EXPECT_EQ(updates.next(), "after");
}

TEST_P(Functions, ThatGiveAStateTellItsCallerWhatTheyThrow) {
  auto const worker = start();
  auto const error =
      error_of([&] { static_cast<void>(worker.state(fn<&Everything::watch_and_fail>)); });
  EXPECT_EQ(error.kind(), ErrorKind::kFailed);
  EXPECT_EQ(error.reason(), "nothing to watch");
  EXPECT_EQ(worker.call(fn<&Everything::add>, 1, 1).get(), 2);
  EXPECT_EQ(times_told(), 0u);
}

TEST_P(FunctionsOfAProcess, ThatGaveAStateEndItsUpdatesWithAnErrorWhenTheyDie) {
  auto const worker = start();
  auto first = worker.open(fn<&Everything::keep>);
  auto [initial, updates] = worker.state(fn<&Everything::watch>);
  worker.call(fn<&Everything::write_to_kept>, "last").get();
  worker.kill();
  EXPECT_EQ(updates.next(), "last");
  EXPECT_EQ(error_of([&] { static_cast<void>(updates.next()); }).kind(), ErrorKind::kDisconnected);
}

TEST_P(Functions, StreamSideBySideWhereTheirWorkerRunsSeveral) {
  auto const crowd = start_with<Crowd>({});
  std::vector<Stream<int>> streams;
  for (int i = 0; i < 4; ++i) streams.push_back(crowd.stream(fn<&Crowd::count_together>, 1000, 4));
  for (int n = 0; n < 1000; ++n) {
    for (auto& stream : streams) ASSERT_EQ(stream.next(), n);
  }
  for (auto& stream : streams) EXPECT_EQ(stream.next(), std::nullopt);
}

TEST_P(Functions, FeedACallbackThatMayAbort) {
  auto const worker = start();
  std::int64_t sum = 0;
  auto const whole = worker.stream(fn<&Everything::count>, 1000).subscribe([&](std::int64_t value) {
    sum += value;
  });
  EXPECT_EQ(whole.wait(), CloseReason::kFinished);
  EXPECT_EQ(sum, 999 * 500);
  int calls = 0;
  auto const some =
      worker.stream(fn<&Everything::count>, std::int64_t{1} << 60).subscribe([&](std::int64_t) {
        return ++calls < 5;
      });
  EXPECT_EQ(some.wait(), CloseReason::kClosedHere);
  EXPECT_EQ(calls, 5);
}

TEST_P(Functions, StreamIn) {
  auto const worker = start(10);
  auto open = worker.open(fn<&Everything::sum>);
  for (std::int64_t i = 0; i < 50'000; ++i) open.input.write(i);
  open.input.close();
  EXPECT_EQ(open.result.get(), 10 + 49'999LL * 25'000);
}

TEST_P(Functions, StreamInToACallbackAndAnswerFirst) {
  auto const worker = start();
  auto open = worker.open(fn<&Everything::answer_first>);
  EXPECT_EQ(open.result.get(), 7);
  for (std::int64_t i = 1; i <= 100; ++i) open.input.write(i);
  open.input.close();
  EXPECT_TRUE(eventually([&] { return worker.call(fn<&Everything::received>).get() == 5050; }));
  EXPECT_TRUE(eventually(
      [&] { return worker.call(fn<&Everything::how_the_last_stream_ended>).get() == "finished"; }));
}

TEST_P(Functions, StreamBothWaysUntilTheCallerAborts) {
  auto const worker = start();
  auto open = worker.open(fn<&Everything::ping_pong>);
  for (int i = 0; i < 5; ++i) {
    open.input.write(2 * i);
    EXPECT_EQ(open.output.next(), 2 * i + 1);
  }
  open.output.close();
  open.input.write(10);
  open.result.get();
  EXPECT_EQ(worker.call(fn<&Everything::how_the_last_stream_ended>).get(),
            "closed by the remote side");
}

TEST_P(Functions, ArePostedWithoutAnAnswer) {
  auto const worker = start();
  for (std::int64_t i = 1; i <= 1000; ++i) worker.post(fn<&Everything::note>, i);
  EXPECT_EQ(worker.call(fn<&Everything::received>).get(), 500'500);
}

TEST_P(Functions, LookDifferentThroughAnAdapter) {
  auto const worker = start(1);
  auto const add_pair = cohort::adapt(
      fn<&Everything::add>, [](std::string const& text) { return std::tuple(std::stoi(text), 10); },
      [](int sum) { return "sum " + std::to_string(sum); });
  EXPECT_EQ(worker.call(add_pair, "31").get(), "sum 42");
  auto const greeting =
      cohort::adapt(fn<&Everything::variable>, [](int) { return std::string("NO_SUCH_VARIABLE"); });
  auto future = worker.call(greeting, 1);
  EXPECT_TRUE(future.wait_for(20s));
  EXPECT_EQ(future.get(), "(unset)");
  EXPECT_FALSE(future.valid());
}

TEST_P(Functions, RunOneAtATimeUnlessTheTypeSaysOtherwise) {
  auto const one_at_a_time = start();
  auto begun = one_at_a_time.open(fn<&Everything::keep>);
  auto running = one_at_a_time.call(fn<&Everything::compute_until_stopped>);
  EXPECT_EQ(begun.output.next(), "begun");
  auto next = one_at_a_time.call(fn<&Everything::add>, 1, 2);
  EXPECT_FALSE(next.wait_for(20ms));
  running.cancel();
  EXPECT_EQ(next.get(), 3);

  auto const crowd = start_with<Crowd>({});
  std::vector<cohort::Future<bool>> meetings;
  for (int i = 0; i < 4; ++i) meetings.push_back(crowd.call(fn<&Crowd::meet>, 4));
  for (auto& meeting : meetings) EXPECT_TRUE(meeting.get());
  EXPECT_EQ(crowd.call(fn<&Crowd::add>, 1, 2).get(), 3);

  std::vector<cohort::Future<bool>> waiting;
  for (int i = 0; i < 4; ++i) waiting.push_back(crowd.call(fn<&Crowd::wait_for_stop>));
  auto cancelled = crowd.call(fn<&Crowd::count_up>);
  auto queued = crowd.call(fn<&Crowd::add>, 3, 4);
  EXPECT_FALSE(queued.wait_for(20ms)) << "four calls run, and four at most";
  cancelled.cancel();

  waiting[2].cancel();
  EXPECT_EQ(queued.get(), 7);
  EXPECT_EQ(crowd.call(fn<&Crowd::counted>).get(), 0) << "it was cancelled while it waited";
  for (auto& each : waiting) each.cancel();
}

TEST_P(Functions, TellTheWriterThatTheirCallbackHasEnough) {
  auto const worker = start();
  auto open = worker.open(fn<&Everything::sum_by_callback>);
  open.result.get();
  open.input.write(5);
  open.input.write(-1);
  open.input.flush();
  EXPECT_TRUE(eventually([&] { return open.input.reason() == CloseReason::kClosedByPeer; }));
  EXPECT_EQ(error_of([&] { open.input.write(7); }).kind(), ErrorKind::kCancelled);
  EXPECT_EQ(worker.call(fn<&Everything::received>).get(), 4);
}

TEST_P(Functions, AreCancelledWhileTheyWaitAndWhileTheyRun) {
  auto const worker = start();
  auto begun = worker.open(fn<&Everything::keep>);
  auto running = worker.call(fn<&Everything::compute_until_stopped>);
  EXPECT_EQ(begun.output.next(), "begun");
  worker.post(fn<&Everything::note>, 100);
  auto queued = worker.call(fn<&Everything::write_to_kept>, "never written");
  queued.cancel();
  EXPECT_EQ(error_of([&] { queued.get(); }).kind(), ErrorKind::kCancelled);
  running.cancel();
  EXPECT_EQ(error_of([&] { running.get(); }).kind(), ErrorKind::kCancelled);
  EXPECT_EQ(worker.call(fn<&Everything::received>).get(), 101);
  worker.call(fn<&Everything::close_kept>).get();
  EXPECT_EQ(all_of(begun.output), std::vector<std::string>{}) << "the queued one left no trace";
  EXPECT_EQ(times_told(), 0u);
}

/// Both sides fall asleep now and then, each at any moment of what the other does. No heartbeat
/// wakes them.
TEST_P(Functions, AreAnsweredHoweverLongThePausesAreBetweenThem) {
  options.settings.heartbeat_interval = 20min;
  options.settings.heartbeat_timeout = 60min;
  auto const worker = start(7);
  for (std::uint32_t i = 0; i < 1000; ++i) {
    std::this_thread::sleep_for(std::chrono::microseconds(i * 7919 % 500));
    auto answer = worker.call(fn<&Everything::answer_after>, i * 104'729 % 500);
    ASSERT_TRUE(answer.wait_for(kBound)) << "call " << i;
    EXPECT_EQ(answer.get(), 7);
  }
}

TEST_P(Functions, EndTheirStreamsAtBothEndsWhereTheCallerCancels) {
  auto const worker = start();
  auto reading = worker.open(fn<&Everything::ping_pong>);
  reading.input.write(1);
  EXPECT_EQ(reading.output.next(), 2);  // it waits for the next one
  reading.result.cancel();
  EXPECT_EQ(error_of([&] { reading.result.get(); }).kind(), ErrorKind::kCancelled);
  EXPECT_EQ(error_of([&] { all_of(reading.output); }).kind(), ErrorKind::kCancelled);
  EXPECT_EQ(error_of([&] { reading.input.write(3); }).kind(), ErrorKind::kCancelled);
  EXPECT_EQ(worker.call(fn<&Everything::what_the_last_stream_threw>).get(), "cancelled");

  auto writing = worker.open(fn<&Everything::count_and_return>, std::int64_t{1} << 60);
  EXPECT_EQ(writing.output.next(), 0);
  writing.result.cancel();
  EXPECT_EQ(error_of([&] { all_of(writing.output); }).kind(), ErrorKind::kCancelled);
  EXPECT_EQ(writing.output.reason(), CloseReason::kFailed);
  EXPECT_EQ(worker.call(fn<&Everything::what_the_last_stream_threw>).get(), "cancelled");
}

/// How much more memory the two processes hold while and after a stream passes.
class MemoryWatch {
 public:
  explicit MemoryWatch(pid_t worker) : worker_(worker) {}
  /// Elements would be 80 MB where nothing held their writer back.
  void expect_little_growth() const {
    if (launch_test::kSanitized) return;  // they keep memory of their own

    constexpr std::int64_t kLimit = 64 << 20;
    EXPECT_LT(resident(::getpid()) - here_before_, kLimit);
    EXPECT_LT(resident(worker_) - there_before_, kLimit);
  }

 private:
  static std::int64_t resident(pid_t pid) {
    return static_cast<std::int64_t>(launch_test::resident_bytes(pid));
  }
  pid_t worker_;
  std::int64_t here_before_ = resident(::getpid());
  std::int64_t there_before_ = resident(worker_);
};

/// A sanitizer looks for races; memory is measured without one.
constexpr std::int64_t kManyElements = launch_test::kSanitized ? 1'000'000 : 10'000'000;

/// Another thread, which its reader holds back.
std::jthread write_many(Writer<std::int64_t> input) {
  return std::jthread([input = std::move(input)]() mutable {
    try {
      for (std::int64_t i = 0; i < kManyElements; ++i) input.write(i);
    } catch (Error const& error) {
      ADD_FAILURE() << error.what();
    }
  });
}

TEST_P(FunctionsOfAProcess, HoldMemoryBoundedWhenTheReaderSleeps) {
  auto const worker = start();
  MemoryWatch const memory(worker.pid());
  auto stream = worker.stream(fn<&Everything::count>, kManyElements);
  EXPECT_EQ(stream.next(), 0);
  ASSERT_TRUE(launch_test::rests(worker.pid()));  // the writer waits
  memory.expect_little_growth();
  std::int64_t next = 1;
  for (auto const value : stream) {
    if (value != next) FAIL() << value << " in the place of " << next;
    ++next;
  }
  EXPECT_EQ(next, kManyElements);
  memory.expect_little_growth();
}

TEST_P(FunctionsOfAProcess, HoldMemoryBoundedWhenTheyReadLater) {
  auto const worker = start();
  MemoryWatch const memory(worker.pid());
  auto open = worker.open(fn<&Everything::hold>);
  open.result.get();
  auto const writer = write_many(std::move(open.input));
  EXPECT_TRUE(launch_test::rests(::getpid()));  // the writer waits

  memory.expect_little_growth();
  EXPECT_EQ(worker.call(fn<&Everything::sum_held>).get(), kManyElements * (kManyElements - 1) / 2);
  memory.expect_little_growth();
}

TEST_P(FunctionsOfAProcess, HoldMemoryBoundedWhenACallbackIsSlow) {
  auto const worker = start();
  MemoryWatch const memory(worker.pid());
  std::promise<void> begun;
  std::promise<void> go_on;
  std::int64_t next = 0;
  auto const counting = worker.stream(fn<&Everything::count>, kManyElements)
                            .subscribe([&, told = go_on.get_future()](std::int64_t value) {
                              if (value == 0) {
                                begun.set_value();
                                told.wait();
                              }
                              if (value == next) ++next;
                            });
  begun.get_future().wait();
  EXPECT_TRUE(launch_test::rests(worker.pid()));  // the writer waits
  memory.expect_little_growth();
  go_on.set_value();
  EXPECT_EQ(counting.wait(), CloseReason::kFinished);
  EXPECT_EQ(next, kManyElements);
  memory.expect_little_growth();
}

TEST_P(FunctionsOfAProcess, HoldMemoryBoundedWhenACallbackOfTheirsIsSlow) {
  auto const worker = start();
  MemoryWatch const memory(worker.pid());
  auto open = worker.open(fn<&Everything::sum_by_slow_callback>);
  open.result.get();
  auto const writer = write_many(std::move(open.input));
  EXPECT_TRUE(launch_test::rests(::getpid()));  // the writer waits
  memory.expect_little_growth();
  worker.call(fn<&Everything::go_on>).get();
  EXPECT_TRUE(eventually(
      [&] { return worker.call(fn<&Everything::how_the_last_stream_ended>).get() == "finished"; }));
  EXPECT_EQ(worker.call(fn<&Everything::received>).get(), kManyElements * (kManyElements - 1) / 2);
  memory.expect_little_growth();
}

}  // namespace
}  // namespace conformance
