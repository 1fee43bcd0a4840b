// Failures that no caller waits for, and what is left of them: a line, an exit code, what is
// pending.
#include "tests/conformance/conformance.h"

namespace conformance {
namespace {

class UnawaitedFailure : public Conformance {};
COHORT_EACH_PLACE(UnawaitedFailure);

TEST_P(UnawaitedFailure, OfADetachedCallbackIsInTheCallersLogAndEndsTheStreamAtItsWriter) {
  auto const worker = start();
  auto const here = cohort::serve<Everything>(cluster(), {}, 0);  // its log is this process's
  auto records = here.log(cohort::LogLevel::kError);
  worker.stream(fn<&Everything::count>, std::int64_t{1} << 60)
      .subscribe([](std::int64_t) { throw std::runtime_error("nobody waits"); })
      .detach();
  auto const record = records.next();
  ASSERT_TRUE(record);
  EXPECT_EQ(record->text, "a callback threw std::runtime_error: nobody waits");
  EXPECT_EQ(worker.call(fn<&Everything::what_the_last_stream_threw>).get(), "cancelled");
  EXPECT_EQ(worker.call(fn<&Everything::how_the_last_stream_ended>).get(),
            "closed by the remote side");
  EXPECT_EQ(times_told(), 0u);
}

class UnawaitedFailureOfAProcess : public ProcessConformance {
 protected:
  [[nodiscard]] SpawnOptions with_stderr_in_a_file() const {
    return {.redirect_stderr = cohort::Redirect::append(folder_ / "stderr")};
  }
  [[nodiscard]] std::string stderr_text() const {
    return launch_test::read_file(folder_ / "stderr");
  }

 private:
  TempDir folder_;
};
COHORT_EACH_PROCESS_PLACE(UnawaitedFailureOfAProcess);

TEST_P(UnawaitedFailureOfAProcess, InAOneWayCallLeavesALineAndAnExitCode) {
  auto const worker = start_with<Everything>(with_stderr_in_a_file(), 0);
  worker.post(fn<&Everything::fail_one_way>, "nobody waits");
  EXPECT_TRUE(worker.wait_until_ended(kBound));
  ASSERT_TRUE(worker.exit_report());
  EXPECT_EQ(worker.exit_report()->exit_code, 70);
  auto const text = stderr_text();
  EXPECT_TRUE(text.starts_with("cohort: worker " + worker.id().to_string() + " (")) << text;
  EXPECT_EQ(launch_test::occurrences("\n", text), 1u) << text;
  EXPECT_TRUE(contains(text, "pid " + std::to_string(worker.pid())));
  EXPECT_TRUE(
      contains(text, "Everything::fail_one_way(std::string): std::runtime_error: nobody waits\n"));
}

TEST_P(UnawaitedFailureOfAProcess, OfASessionsDestructorLeavesALineAndFailsWhatIsPending) {
  auto const worker = start_with<Everything>(with_stderr_in_a_file(), 0);
  std::optional<Worker<Everything>> other(cohort::connect(cluster(), worker.ref(), "thrower"));
  auto kept = worker.open(fn<&Everything::keep>);
  kept.result.get();
  auto computing = worker.call(fn<&Everything::compute_until_stopped>);
  EXPECT_EQ(kept.output.next(), "begun");
  auto const before = descriptors_of(worker.pid());
  other.reset();
  ASSERT_TRUE(eventually([&] { return descriptors_of(worker.pid()) < before; }));
  auto queued = worker.call(fn<&Everything::add>, 1, 2);  // behind the end of the session
  computing.cancel();
  auto const error = failures.wait_for_first();
  EXPECT_TRUE(contains(error.reason(), "a session that throws at its end"));
  auto const call = error_of([&] { queued.get(); });
  EXPECT_EQ(call.kind(), ErrorKind::kDisconnected);
  EXPECT_EQ(call.reason(), error.reason());
  EXPECT_EQ(error_of([&] { all_of(kept.output); }).reason(), error.reason());
  auto const text = stderr_text();
  EXPECT_TRUE(contains(text, "terminates: std::runtime_error: a session that throws at its end\n"));
  EXPECT_EQ(launch_test::occurrences("at its end", text), 1u) << text;
}

}  // namespace
}  // namespace conformance
