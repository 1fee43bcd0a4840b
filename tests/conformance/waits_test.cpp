// Waits that cannot end, and what is said of waits that last (parity A20).
#include <csignal>
#include <future>
#include <mutex>
#include <thread>

#include "tests/conformance/conformance.h"

namespace conformance {
namespace {

constexpr std::int64_t kTooManyForAWindow = 1'000'000;

/// What the log of this process says, from level info up.
class Lines {
 public:
  explicit Lines(cohort::Cluster& cluster)
      : ear_(cohort::serve<Crowd>(cluster, {})),
        feed_(ear_.log().subscribe([this](cohort::LogRecord const& record) {
          std::lock_guard const lock(mutex_);
          records_.push_back(record);
        })) {}

  /// So many of that level have the text.
  [[nodiscard]] std::size_t count(cohort::LogLevel level, std::string const& text) const {
    std::lock_guard const lock(mutex_);
    return static_cast<std::size_t>(
        std::count_if(records_.begin(), records_.end(), [&](auto const& record) {
          return record.level == level && record.text.find(text) != record.text.npos;
        }));
  }
  [[nodiscard]] std::string text() const {
    std::lock_guard const lock(mutex_);
    std::string all;
    for (auto const& record : records_) all += record.text + '\n';
    return all;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<cohort::LogRecord> records_;
  Worker<Crowd> ear_;
  cohort::Subscription feed_;
};

class Waits : public Conformance {
 protected:
  Waits() { options.settings.explain_after = 300ms; }

  /// Says it, sooner or later.
  template <class R>
  [[nodiscard]] testing::AssertionResult says(cohort::Future<R> const& future,
                                              std::vector<std::string> const& parts) {
    std::string text;
    auto const all = [&] {
      text = future.explain();
      return std::all_of(parts.begin(), parts.end(),
                         [&](auto const& part) { return text.find(part) != text.npos; });
    };
    if (eventually(all)) return testing::AssertionSuccess();
    return testing::AssertionFailure() << text;
  }
};
COHORT_EACH_PLACE(Waits);
class WaitsForAProcess : public Waits {};
COHORT_EACH_PROCESS_PLACE(WaitsForAProcess);

// ---- in a circle

TEST_P(Waits, OfTwoWorkersThatCallEachOtherEndWithAnError) {
  auto const first = start_with<Caller>({});
  auto const second = start_with<Caller>({});
  auto const error = error_of([&] {
    first.call(fn<&Caller::ask>, std::vector{second.ref(), first.ref()}).get();
  });
  EXPECT_TRUE(contains(error.what(), "would wait for ever"));
  EXPECT_TRUE(contains(error.what(), "worker " + first.id().to_string()));
  EXPECT_TRUE(contains(error.what(), "Concurrent<2>"));
  EXPECT_EQ(first.call(fn<&Caller::answer>).get(), 42);
  EXPECT_EQ(second.call(fn<&Caller::answer>).get(), 42);
}

TEST_P(Waits, OfThreeWorkersThatCallEachOtherEndWithAnError) {
  auto const first = start_with<Caller>({});
  auto const second = start_with<Caller>({});
  auto const third = start_with<Caller>({});
  auto const error = error_of([&] {
    first.call(fn<&Caller::ask>, std::vector{second.ref(), third.ref(), first.ref()}).get();
  });
  EXPECT_TRUE(contains(error.what(), "would wait for ever"));
  EXPECT_EQ(first.call(fn<&Caller::answer>).get(), 42);
  EXPECT_EQ(third.call(fn<&Caller::answer>).get(), 42);
}

TEST_P(Waits, OfTwoWorkersThatBothCallEachOtherAtOnceEndWithAnError) {
  auto const first = start_with<Caller>({});
  auto const second = start_with<Caller>({});
  auto forth = first.call(fn<&Caller::ask>, std::vector{second.ref()});
  auto back = second.call(fn<&Caller::ask>, std::vector{first.ref()});
  for (auto* each : {&forth, &back}) {
    try {  // whether they met depends on when they began
      EXPECT_EQ(each->get(), 1);
    } catch (Error const& error) {
      EXPECT_TRUE(contains(error.what(), "would wait for ever"));
    }
  }
  EXPECT_EQ(first.call(fn<&Caller::answer>).get(), 42);
}

TEST_P(Waits, OfAWorkerForItselfEndWithAnError) {
  auto const worker = start_with<Caller>({});
  auto const error =
      error_of([&] { worker.call(fn<&Caller::ask>, std::vector{worker.ref()}).get(); });
  EXPECT_TRUE(contains(error.what(), "would wait for ever"));
  EXPECT_EQ(worker.call(fn<&Caller::answer>).get(), 42);
}

TEST_P(Waits, OfAWorkerForItselfEndWhereItRunsSeveralCallsAtATime) {
  auto const worker = start_with<CallerOfTwo>({});
  auto const other = start_with<CallerOfTwo>({});
  EXPECT_EQ(worker.call(fn<&CallerOfTwo::ask>, std::vector{worker.ref()}).get(), 1);
  EXPECT_EQ(worker.call(fn<&CallerOfTwo::ask>, std::vector{other.ref(), worker.ref()}).get(), 2);
}

TEST_P(Waits, WithADeadlineAreLeftToIt) {
  auto const worker = start_with<Caller>({});
  EXPECT_EQ(worker.call(fn<&Caller::ask_for>, std::vector{worker.ref()}, 1000ms).get(), -1);
}

// ---- behind a stream

TEST_P(Waits, BehindAStreamThatNobodyReadsAreToldOnce) {
  Lines const lines(cluster());
  auto const worker = start_with<Caller>({});
  auto stream = worker.stream(fn<&Caller::count>, kTooManyForAWindow);
  auto answer = worker.call(fn<&Caller::answer>);
  std::jthread waiting([&] { answer.wait(); });
  ASSERT_TRUE(eventually([&] {
    return lines.count(cohort::LogLevel::kWarning, "of which nobody has read anything") != 0;
  })) << lines.text();
  EXPECT_TRUE(contains(lines.text(), "CallerOf<1>::count"));
  EXPECT_TRUE(contains(lines.text(), "CallerOf<1>::answer"));
  std::this_thread::sleep_for(4 * options.settings.explain_after);  // for a second one, if any
  EXPECT_EQ(lines.count(cohort::LogLevel::kWarning, "a thread of this process waits"), 1u)
      << lines.text();
  std::int64_t elements = 0;
  for ([[maybe_unused]] auto const element : stream) ++elements;
  EXPECT_EQ(elements, kTooManyForAWindow);
  waiting.join();
  EXPECT_EQ(answer.get(), 42);
}

TEST_P(Waits, ForOneOfSeveralCallsBehindSuchAStreamAreTold) {
  Lines const lines(cluster());
  auto const worker = start_with<Caller>({});
  auto stream = worker.stream(fn<&Caller::count>, kTooManyForAWindow);
  std::vector<cohort::Future<int>> answers;
  for (int i = 0; i < 2; ++i) answers.push_back(worker.call(fn<&Caller::answer>));
  std::jthread reading([&] {
    EXPECT_TRUE(eventually([&] {
      return lines.count(cohort::LogLevel::kWarning, "one of 2 calls") != 0;
    })) << lines.text();
    stream.close();
  });
  for (auto const i : cohort::as_completed(answers)) EXPECT_EQ(answers[i].get(), 42);
}

TEST_P(Waits, ForTheResultOfACallWhoseStreamNobodyReadsAreTold) {
  Lines const lines(cluster());
  auto const worker = start_with<Caller>({});
  auto open = worker.open(fn<&Caller::count>, kTooManyForAWindow);
  std::jthread reading([&] {
    EXPECT_TRUE(eventually([&] {
      return lines.count(cohort::LogLevel::kWarning, "until this process reads its stream") != 0;
    })) << lines.text();
    open.output.close();
  });
  EXPECT_THROW(open.result.get(), Error);
}

TEST_P(Waits, BehindAStreamThatIsReadAreNoWarning) {
  Lines const lines(cluster());
  auto const worker = start_with<Caller>({});
  auto stream = worker.stream(fn<&Caller::count>, std::int64_t{1} << 50);
  auto answer = worker.call(fn<&Caller::answer>);
  std::jthread reading([&] {
    EXPECT_TRUE(eventually([&] {
      for (int i = 0; i < 10'000; ++i) static_cast<void>(stream.next());
      return lines.count(cohort::LogLevel::kInfo, "CallerOf<1>::answer") != 0;
    })) << lines.text();
    stream.close();
  });
  EXPECT_EQ(answer.get(), 42);
  EXPECT_EQ(lines.count(cohort::LogLevel::kWarning, "waits for"), 0u) << lines.text();
}

TEST_P(Waits, ForAFunctionThatComputesAreNoWarning) {
  Lines const lines(cluster());
  auto const worker = start();
  auto computing = worker.call(fn<&Everything::compute_for>, 10 * options.settings.explain_after);
  computing.get();
  EXPECT_EQ(lines.count(cohort::LogLevel::kWarning, "waits for"), 0u) << lines.text();
  EXPECT_EQ(lines.count(cohort::LogLevel::kInfo, "compute_for"), 1u) << lines.text();
}

TEST_P(Waits, AreNotToldWhereTheSettingSaysSo) {
  options.settings.explain_after = 0ms;
  Lines const lines(cluster());
  auto const worker = start();
  worker.call(fn<&Everything::compute_for>, 1500ms).get();
  EXPECT_EQ(lines.text(), "");
}

// ---- explained

TEST_P(Waits, AreExplained) {
  auto const worker = start_with<Caller>({});
  auto blocking = worker.open(fn<&Caller::block>);
  auto queued = worker.call(fn<&Caller::answer>);
  auto last = worker.call(fn<&Caller::fail>);
  EXPECT_TRUE(says(blocking.result, {"block", "worker " + worker.id().to_string(), ", runs for"}));
  EXPECT_TRUE(says(blocking.result, {"for what this process writes to its stream"}));
  EXPECT_TRUE(says(queued, {"answer", "waits its turn", "behind", "block", "which runs for"}));
  EXPECT_TRUE(says(last, {"after 1 other call"}));
  auto const other = cohort::connect(cluster(), worker.ref());
  auto of_another = other.call(fn<&Caller::answer>);
  EXPECT_TRUE(says(of_another, {"waits its turn", "block", "a call of its master"}));
  blocking.input.close();
  last.wait();
  EXPECT_TRUE(contains(queued.explain(), "was answered"));
  EXPECT_TRUE(contains(last.explain(), "has failed"));
  EXPECT_TRUE(contains(last.explain(), "it failed"));
  static_cast<void>(queued.get());
  EXPECT_THROW(static_cast<void>(queued.explain()), std::logic_error);
}

TEST_P(Waits, ForAnotherWorkerAreExplained) {
  auto const first = start_with<Caller>({});
  auto const second = start_with<Caller>({});
  auto blocking = second.open(fn<&Caller::block>);
  auto asking = first.call(fn<&Caller::ask>, std::vector{second.ref()});
  EXPECT_TRUE(
      says(asking, {"ask", "runs for", "and waits for", "worker " + second.id().to_string()}));
  blocking.input.close();
  EXPECT_EQ(asking.get(), 1);
}

TEST_P(WaitsForAProcess, ThatIsStoppedAreExplainedAndTold) {
  Lines const lines(cluster());
  auto const worker = start_with<Caller>({});
  ASSERT_EQ(::kill(worker.pid(), SIGSTOP), 0);
  auto answer = worker.call(fn<&Caller::answer>);
  EXPECT_TRUE(says(answer, {"has not answered for"}));
  std::jthread waiting([&] { answer.wait(); });
  EXPECT_TRUE(eventually([&] {
    return lines.count(cohort::LogLevel::kWarning, "has not answered for") != 0;
  })) << lines.text();
  ASSERT_EQ(::kill(worker.pid(), SIGCONT), 0);
  waiting.join();
  EXPECT_EQ(answer.get(), 42);
}

TEST_P(WaitsForAProcess, ThatIsDeadAreExplained) {
  auto const worker = start_with<Caller>({});
  auto blocking = worker.open(fn<&Caller::block>);
  EXPECT_TRUE(says(blocking.result, {", runs for"}));
  worker.kill();
  EXPECT_TRUE(says(blocking.result, {"has failed", "disconnected", "signal 9"}));
}

}  // namespace
}  // namespace conformance
