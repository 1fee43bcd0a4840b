// A handle that goes: what was sent over it before is run and answered, on every place, every time.
#include <filesystem>
#include <optional>

#include "tests/conformance/conformance.h"

namespace conformance {
namespace {

class Handles : public Conformance {};
COHORT_EACH_PLACE(Handles);

class HandlesOfProcesses : public ProcessConformance {
 protected:
  TempDir const dir;
};
COHORT_EACH_PROCESS_PLACE(HandlesOfProcesses);

TEST_P(Handles, ThatGoRightBehindACallLeaveItsAnswer) {
  for (int round = 0; round < 30; ++round) {
    auto answer = start(round).call(fn<&Everything::add>, 1, 2);
    EXPECT_EQ(answer.get(), round + 3);
  }
  EXPECT_EQ(times_told(), 0u);
}

TEST_P(Handles, ThatGoRightBehindManyPostsAndCallsLeaveAllOfThem) {
  for (int round = 0; round < 5; ++round) {
    std::vector<cohort::Future<std::vector<double>>> answers;
    cohort::Future<std::int64_t> received;
    {
      auto const worker = start();
      for (int i = 1; i <= 100; ++i) {
        worker.post(fn<&Everything::note>, i);
        answers.push_back(worker.call(fn<&Everything::echo>, std::vector<double>(i * 100, i)));
      }
      received = worker.call(fn<&Everything::received>);
    }
    EXPECT_EQ(received.get(), 5050);
    for (std::size_t i = 0; i < 100; ++i) EXPECT_EQ(answers[i].get().size(), (i + 1) * 100);
  }
  EXPECT_EQ(times_told(), 0u);
}

TEST_P(Handles, ThatGoLeaveCallsTheTimeTheyTake) {
  options.settings.shutdown_timeout = 100ms;
  cohort::Future<int> running;
  cohort::Future<int> queued;
  {
    auto const worker = start(1);
    running = worker.call(fn<&Everything::answer_after>, 700'000u);
    queued = worker.call(fn<&Everything::add>, 1, 2);
  }
  running.get();
  EXPECT_EQ(queued.get(), 4);
  EXPECT_EQ(times_told(), 0u);
}

TEST_P(Handles, OfOtherClientsThatGoLeaveTheirCallsAnswered) {
  auto const worker = start();
  for (int round = 0; round < 30; ++round) {
    cohort::Future<int> answer;
    {
      auto const client = cohort::connect(cluster(), worker.ref(), "client");
      for (int i = 0; i < 10; ++i) client.post(fn<&Everything::note>, 1);
      answer = client.call(fn<&Everything::answer_after>, 1000u);
    }
    answer.get();
    { cohort::connect(cluster(), worker.ref(), "client").post(fn<&Everything::note>, 1000); }
  }
  EXPECT_TRUE(
      eventually([&] { return worker.call(fn<&Everything::received>).get() == 30 * (10 + 1000); }));
  EXPECT_EQ(times_told(), 0u);
}

TEST_P(Handles, ThatGoLeaveTheStreamsOfTheirCalls) {
  auto counted = start().stream(fn<&Everything::count>, 200'000);
  auto summed = start().open(fn<&Everything::sum>);
  for (std::int64_t i = 1; i <= 100'000; ++i) summed.input.write(i);
  summed.input.close();
  EXPECT_EQ(summed.result.get(), 5'000'050'000);
  EXPECT_EQ(all_of(counted).size(), 200'000u);
  EXPECT_EQ(times_told(), 0u);
}

TEST_P(Handles, ThatGoStopAFunctionThatNobodyWaitsFor) {
  auto kept = start().open(fn<&Everything::keep>);  // its worker ends: nobody waits for a call
  kept.result.get();
  EXPECT_EQ(error_of([&] { static_cast<void>(kept.output.next()); }).kind(),
            ErrorKind::kDisconnected);
  {
    auto const worker = start();
    auto begun = worker.open(fn<&Everything::keep>);
    begun.result.get();
    static_cast<void>(worker.call(fn<&Everything::compute_until_stopped>));  // its future goes
    EXPECT_EQ(begun.output.next(), "begun");
  }
  EXPECT_EQ(times_told(), 0u);
}

TEST_P(HandlesOfProcesses, ThatGoRightBehindAPostLeaveItsWork) {
  for (int round = 0; round < 10; ++round) {
    auto const file = dir / std::to_string(round);
    SpawnOptions how;
    how.redirect_stdout = cohort::Redirect::append(file);
    int pid = 0;
    {
      auto const worker = start_with<Everything>(how, 0);
      pid = worker.pid();
      for (int i = 0; i < 10; ++i) worker.post(fn<&Everything::print>, "a line\n", "");
    }
    EXPECT_TRUE(eventually([&] { return is_no_worker(pid); }));
    EXPECT_EQ(launch_test::occurrences("a line\n", launch_test::read_file(file)), 10u);
  }
  EXPECT_EQ(times_told(), 0u);
}

TEST_P(HandlesOfProcesses, ThatGoEndTheirWorkerBehindItsLastAnswer) {
  auto worker = std::optional(start());
  auto const pid = worker->pid();
  auto answer = worker->call(fn<&Everything::answer_after>, 50'000u);
  worker.reset();
  answer.get();
  EXPECT_TRUE(eventually([&] { return is_no_worker(pid); }));
  EXPECT_EQ(times_told(), 0u);
}

TEST_P(HandlesOfProcesses, ThatGoKillAFunctionThatNobodyWaitsForAndThatDoesNotStop) {
  options.settings.shutdown_timeout = 300ms;
  auto worker = std::optional(start_with<Mortal>({}, ""));
  auto const pid = worker->pid();
  {
    auto computing = worker->stream(fn<&Mortal::compute_on>);
    EXPECT_EQ(computing.next(), 1);
  }
  worker.reset();
  EXPECT_TRUE(eventually([&] { return is_gone(pid); }));
  EXPECT_EQ(times_told(), 0u);
}

TEST_P(HandlesOfProcesses, ThatGoHideNoDeathOfACallThatRuns) {
  auto worker = std::optional(start());
  auto dies = worker->call(fn<&Everything::die>, "exit");
  worker.reset();
  EXPECT_EQ(error_of([&] { dies.get(); }).kind(), ErrorKind::kDisconnected);
  EXPECT_EQ(times_told(), 1u);
}

TEST_P(Handles, OfWorkersWhoseClusterEndsWaitForNothing) {
  auto worker = std::optional(start());
  auto begun = worker->open(fn<&Everything::keep>);
  begun.result.get();
  auto running = worker->call(fn<&Everything::compute_until_stopped>);
  EXPECT_EQ(begun.output.next(), "begun");
  if (!in_process()) worker.reset();
  end_cluster();
  worker.reset();
}

// ---- functions that do not return
// ----------------------------------------------------------------

TEST_P(Handles, OfAWorkerWhoseFunctionEndsItsThreadAreGoodForMore) {
  auto const worker = start();
  for (int round = 0; round < 3; ++round) {
    auto const error = error_of([&] { worker.call(fn<&Everything::die>, "its thread").get(); });
    EXPECT_EQ(error.kind(), ErrorKind::kFailed);
    EXPECT_TRUE(contains(error.reason(), "pthread_exit"));
    EXPECT_EQ(worker.call(fn<&Everything::add>, 1, 2).get(), 3);
  }
  worker.shut_down();
  EXPECT_TRUE(worker.wait_until_ended(kBound));
  if (auto const exit = worker.exit_report(); exit && !on_ranks()) {
    EXPECT_EQ(exit->exit_code, 0);
  }
  EXPECT_EQ(times_told(), 0u);
}

TEST_P(Handles, OfAWorkerThatThrowsWithoutATextTellItsType) {
  auto const worker = start();
  for (auto const* how : {"null text", "null pointer"}) {
    EXPECT_EQ(error_of([&] { worker.call(fn<&Everything::die>, how).get(); }).kind(),
              ErrorKind::kFailed);
  }
  EXPECT_EQ(worker.call(fn<&Everything::add>, 1, 2).get(), 3);
  EXPECT_EQ(times_told(), 0u);
}

// ---- calls that fit nothing
// ----------------------------------------------------------------------

TEST_P(Handles, OfAnotherClientWhosePostFitsNothingAreLostAndTheWorkerLivesOn) {
  auto const worker = start();
  auto const client = cohort::connect(cluster(), worker.ref(), "client");
  EXPECT_EQ(client.call(fn<&Everything::add>, 1, 2).get(), 3);
  // Its own arguments, sent to another function.
  auto const bad = cohort::connect(cluster(), worker.ref(), "bad");
  auto connection = cohort::RemoteClient::connect(cluster().runtime(), worker.ref().address);
  cohort::detail::post_call<&Everything::say>(
      connection->connection(), cohort::CheckedFunction<Everything, &Everything::add>::id,
      cohort::LogLevel::kInfo, "no two numbers");
  EXPECT_TRUE(connection->wait_until_ended(cohort::Deadline::after(kBound)));
  auto const why = error_of([&] {
    cohort::detail::call_builtin<&cohort::Server::settings>(connection->connection()).get();
  });
  EXPECT_TRUE(contains(why.reason(), "does not fit"));
  EXPECT_EQ(client.call(fn<&Everything::add>, 1, 2).get(), 3);
  EXPECT_EQ(worker.call(fn<&Everything::add>, 1, 2).get(), 3);
  EXPECT_EQ(times_told(), 0u);
}

}  // namespace
}  // namespace conformance
