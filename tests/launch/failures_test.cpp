// How workers die, and who is told: one test for each row of the failure table.
#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <optional>

#include <unistd.h>

#include "tests/launch/support.h"
#include "tests/launch/workers.h"

namespace launch_test {
namespace {

using cohort::fn;
using cohort::Future;
using cohort::spawn_one;

std::string const kAddName = "int launch_test::Saboteur::add(int, int)";

class Failure : public OverTransports {
 protected:
  using Worker = cohort::Worker<Saboteur>;

  void start(cohort::Settings settings = {}, cohort::Redirect redirect_stderr = {}) {
    auto chosen = options();
    chosen.settings = settings;
    cluster_.emplace(kTypes, chosen);
    worker_.emplace(spawn_one<Saboteur>(
        *cluster_,
        {.on_failure = failures_.listener(), .redirect_stderr = std::move(redirect_stderr)}));
    pid_ = worker_->pid();
  }
  /// Everything ends, so that nobody can be told anything any more.
  void end() {
    worker_.reset();
    cluster_.reset();
  }

  /// Makes a call that kills the worker and one that waits behind it; checks what both callers and
  /// on_failure are told. Returns what on_failure got.
  template <auto Member, class... Args>
  Error die_in(Args... args) {
    if (!worker_) start();
    auto killer = worker_->call(fn<Member>, args...);
    auto waiting = worker_->call(fn<&Saboteur::add>, 1, 2);
    auto const told = error_of([&] { killer.get(); });
    auto const also_told = error_of([&] { waiting.get(); });
    auto const host = worker_->host();
    for (auto const* each : {&told, &also_told}) {
      EXPECT_EQ(each->kind(), ErrorKind::kDisconnected);
      EXPECT_EQ(each->where().worker.to_string(), "1");
      EXPECT_EQ(each->where().host, host);
      EXPECT_EQ(each->where().pid, pid_);
    }
    EXPECT_EQ(told.where().function, cohort::readable_signature(cohort::signature_of<Member>()));
    EXPECT_EQ(also_told.where().function, kAddName);
    EXPECT_EQ(also_told.reason(), told.reason());

    auto const failure = failures_.wait_for_first();
    EXPECT_EQ(failure.kind(), ErrorKind::kDisconnected);
    EXPECT_EQ(failure.reason(), told.reason());
    EXPECT_EQ(failure.where().worker.to_string(), "1");
    EXPECT_EQ(failure.where().host, host);
    EXPECT_EQ(failure.where().pid, pid_);
    EXPECT_TRUE(failure.exit().has_value());
    EXPECT_TRUE(told.exit().has_value());
    EXPECT_TRUE(is_gone(pid_));
    EXPECT_FALSE(worker_->alive());
    end();
    EXPECT_EQ(failures_.count(), 1U);
    return failure;
  }
  static void expect_signal(Error const& error, int signal) {
    ASSERT_TRUE(error.exit().has_value());
    EXPECT_EQ(error.exit()->signal, signal);
    EXPECT_EQ(error.exit()->exit_code, std::nullopt);
    EXPECT_TRUE(contains(error.reason(), "killed by signal " + std::to_string(signal)));
  }
  static void expect_exit_code(Error const& error, int code) {
    ASSERT_TRUE(error.exit().has_value());
    EXPECT_EQ(error.exit()->exit_code, code);
    EXPECT_EQ(error.exit()->signal, std::nullopt);
    EXPECT_EQ(error.reason(), "exited with code " + std::to_string(code));
  }
  static void expect_last_words(Error const& error, std::string const& name) {
    ASSERT_TRUE(error.exit().has_value());
    EXPECT_TRUE(contains(error.exit()->stderr_tail, "last words of " + name + '\n'));
    EXPECT_TRUE(contains(error.what(), "last words of " + name));
  }

  Failures failures_;
  std::optional<cohort::Cluster> cluster_;
  std::optional<Worker> worker_;
  pid_t pid_ = 0;
  Holdings const before_ = Holdings::now();
};

// ---- C1: the function throws -----------------------------------------------------------------

TEST_P(Failure, OfAFunctionThatThrowsReachesItsCallerAloneAndTheWorkerLivesOn) {
  start();
  auto thrower = worker_->call(fn<&Saboteur::throw_invalid_argument>, "three is odd");
  auto other = worker_->call(fn<&Saboteur::add>, 1, 2);
  auto const error = error_of([&] { thrower.get(); });
  EXPECT_EQ(error.kind(), ErrorKind::kFailed);
  EXPECT_EQ(error.reason(), "three is odd");
  EXPECT_EQ(error.exception_type(), "std::invalid_argument");
  EXPECT_EQ(error.where().worker.to_string(), "1");
  EXPECT_EQ(error.where().host, worker_->host());
  EXPECT_EQ(error.where().pid, pid_);
  EXPECT_TRUE(contains(error.where().function, "launch_test::Saboteur::throw_invalid_argument("));
  EXPECT_EQ(error.exit(), std::nullopt);
  EXPECT_EQ(other.get(), 3);
  EXPECT_EQ(worker_->call(fn<&Saboteur::add>, 3, 4).get(), 7);
  EXPECT_TRUE(worker_->alive());
  end();
  EXPECT_EQ(failures_.count(), 0U);
}

TEST_P(Failure, OfAFunctionThatThrowsNoStdExceptionNamesItsType) {
  start();
  auto const error = error_of([&] { worker_->call(fn<&Saboteur::throw_number>).get(); });
  EXPECT_EQ(error.kind(), ErrorKind::kFailed);
  EXPECT_EQ(error.exception_type(), "int");
  EXPECT_EQ(worker_->call(fn<&Saboteur::add>, 3, 4).get(), 7);
  end();
  EXPECT_EQ(failures_.count(), 0U);
}

// ---- C3: what ends the process from within -----------------------------------------------------

TEST_P(Failure, OfAnotherThreadIsReportedWithTypeAndTextOfTheException) {
  auto const failure = die_in<&Saboteur::throw_on_a_thread>(std::string("the helper fell over"));
  EXPECT_EQ(failure.exception_type(), "std::runtime_error");
  EXPECT_TRUE(failure.reason().starts_with("the helper fell over; killed by signal 6 (SIGABRT)"))
      << failure.reason();
  expect_signal(failure, SIGABRT);
  expect_last_words(failure, "throw_on_a_thread");
  EXPECT_EQ(occurrences("the helper fell over", failure.what()), 1u) << failure.what();
}

TEST_P(Failure, ByTerminateSaysSo) {
  auto const failure = die_in<&Saboteur::terminate>();
  EXPECT_TRUE(contains(failure.reason(), "std::terminate was called"));
  EXPECT_EQ(failure.exception_type(), "");
  expect_signal(failure, SIGABRT);
  expect_last_words(failure, "terminate");
}

TEST_P(Failure, ByAFailedAssertionCarriesItsText) {
  auto const failure = die_in<&Saboteur::fail_assertion>();
  expect_signal(failure, SIGABRT);
  EXPECT_TRUE(contains(failure.what(), "the_world_is_flat"));
  expect_last_words(failure, "fail_assertion");
}

TEST_P(Failure, ByAbortNamesTheSignal) {
  auto const failure = die_in<&Saboteur::abort>();
  expect_signal(failure, SIGABRT);
  expect_last_words(failure, "abort");
}

TEST_P(Failure, IsWrittenToTheFileThatStderrGoesTo) {
  TempDir dir;
  start({}, cohort::Redirect::truncate(dir / "err"));
  auto const failure = die_in<&Saboteur::throw_on_a_thread>(std::string("the helper fell over"));
  EXPECT_TRUE(contains(failure.reason(), "the helper fell over"));
  EXPECT_EQ(failure.exception_type(), "std::runtime_error");
  auto const text = read_file(dir / "err");
  EXPECT_TRUE(contains(text, "last words of throw_on_a_thread\n"));
  EXPECT_TRUE(contains(text, "std::runtime_error: the helper fell over\n"));
  EXPECT_TRUE(contains(text, "worker 1 ("));
}

TEST_P(Failure, IsReportedWithItsTextAlsoWhereStderrGoesNowhere) {
  start({}, cohort::Redirect::null());
  auto const failure = die_in<&Saboteur::throw_on_a_thread>(std::string("the helper fell over"));
  EXPECT_TRUE(contains(failure.reason(), "the helper fell over"));
}

// ---- C4: what ends the process from outside -----------------------------------------------------

TEST_P(Failure, BySigkillNamesTheSignal) {
  expect_signal(die_in<&Saboteur::raise>(SIGKILL), SIGKILL);
}
TEST_P(Failure, BySigsegvNamesTheSignalAndTheLastLines) {
  auto const failure = die_in<&Saboteur::raise>(SIGSEGV);
  expect_signal(failure, SIGSEGV);
  expect_last_words(failure, "raise");
}
TEST_P(Failure, BySigbusNamesTheSignal) { expect_signal(die_in<&Saboteur::raise>(SIGBUS), SIGBUS); }

TEST_P(Failure, ByAWriteToNullIsReportedAlsoUnderASanitizer) {
  auto const failure = die_in<&Saboteur::write_to_null>();
  if (kSanitized) {  // the sanitizer handles the signal, reports, and exits
    ASSERT_TRUE(failure.exit()->exit_code.has_value());
    auto const& tail = failure.exit()->stderr_tail;
    EXPECT_TRUE(contains(tail, kAsan ? "runtime error: store to null pointer" : "Sanitizer"));
  } else {
    expect_signal(failure, SIGSEGV);
    expect_last_words(failure, "write_to_null");
  }
}

TEST_P(Failure, ByAnOverflowingStackIsReported) {
  auto const failure = die_in<&Saboteur::overflow_stack>();
  if (!kSanitized) expect_signal(failure, SIGSEGV);
}

TEST_P(Failure, ByExitAtOnceWithCode0IsNoOrderlyEnd) {
  auto const failure = die_in<&Saboteur::exit_at_once>(0);
  expect_exit_code(failure, 0);
  expect_last_words(failure, "exit_at_once");
}
TEST_P(Failure, ByExitAtOnceNamesTheCode) {
  expect_exit_code(die_in<&Saboteur::exit_at_once>(3), 3);
}
TEST_P(Failure, ByExitNamesTheCode) {
  auto const failure = die_in<&Saboteur::exit>(3);
  if (!kTsan) expect_exit_code(failure, 3);  // its own report of exit()'s races gives another code
  expect_last_words(failure, "exit");
}

TEST_P(Failure, IsReportedWithItsCauseWhereAChildOfTheWorkerKeepsTheConnectionOpen) {
  auto const failure = die_in<&Saboteur::fork_and_die>();
  expect_signal(failure, SIGKILL);
  expect_last_words(failure, "fork_and_die");
}

TEST_P(Failure, ReachesTheCallerSoonAfterTheKill) {
  constexpr int kRounds = 20;
  std::vector<double> milliseconds;
  cohort::Cluster cluster(kTypes, options());
  for (int i = 0; i < kRounds; ++i) {
    auto const worker = spawn_one<Saboteur>(
        cluster, {.on_failure = failures_.listener(), .redirect_stderr = cohort::Redirect::null()});
    auto blocked = worker.call(fn<&Saboteur::block>);
    auto const start = Clock::now();
    ::kill(worker.pid(), SIGKILL);
    auto const error = error_of([&] { blocked.get(); });
    std::chrono::duration<double, std::milli> const took = Clock::now() - start;
    EXPECT_EQ(error.reason(), "killed by signal 9 (SIGKILL)");
    EXPECT_LT(took.count(), 2000);
    milliseconds.push_back(took.count());
  }
  std::sort(milliseconds.begin(), milliseconds.end());
  if (!kSanitized) {
    EXPECT_LT(milliseconds[kRounds / 2], 100);
  }
  RecordProperty("kill_to_failure_median_us", static_cast<int>(milliseconds[kRounds / 2] * 1000));
  RecordProperty("kill_to_failure_max_us", static_cast<int>(milliseconds.back() * 1000));
  std::printf("kill -9 to failure: median %.2f ms, max %.2f ms of %d\n", milliseconds[kRounds / 2],
              milliseconds.back(), kRounds);
}

TEST_P(Failure, FailsEveryPendingCall) {
  start();
  std::vector<Future<int>> waiting;
  auto const blocked = worker_->call(fn<&Saboteur::block>);
  for (int i = 0; i < 1000; ++i) waiting.push_back(worker_->call(fn<&Saboteur::add>, i, i));
  ::kill(pid_, SIGKILL);
  for (auto& each : waiting) {
    auto const error = error_of([&] { each.get(); });
    EXPECT_EQ(error.kind(), ErrorKind::kDisconnected);
    EXPECT_EQ(error.reason(), "killed by signal 9 (SIGKILL)");
  }
}

TEST_P(Failure, LosesNoAnswerThatTheWorkerHadGivenBefore) {
  start();
  std::vector<Future<int>> answered;
  for (int i = 0; i < 100; ++i) answered.push_back(worker_->call(fn<&Saboteur::add>, i, i));
  // Answers are held back for a moment, to travel together; this is much longer.
  auto const pause = worker_->call(fn<&Saboteur::compute>, 200ms);
  auto const last = worker_->call(fn<&Saboteur::exit_at_once>, 0);
  EXPECT_TRUE(worker_->wait_until_ended(kBound));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(answered[static_cast<std::size_t>(i)].get(), 2 * i);
}

TEST_P(Failure, OfOneWorkerLeavesTheOthersAlone) {
  start();
  auto const other = spawn_one<Saboteur>(*cluster_, {.on_failure = failures_.listener()});
  auto blocked = worker_->call(fn<&Saboteur::block>);
  ::kill(pid_, SIGKILL);
  EXPECT_EQ(error_of([&] { blocked.get(); }).where().worker.to_string(), "1");
  EXPECT_EQ(other.call(fn<&Saboteur::add>, 1, 2).get(), 3);
  EXPECT_TRUE(other.alive());
}

TEST_P(Failure, LeavesNothingBehind) {
  static_cast<void>(die_in<&Saboteur::raise>(SIGKILL));
  EXPECT_TRUE(nothing_is_left(before_));
}

TEST_P(Failure, InOnFailureItselfDoesNotEndTheMaster) {
  cohort::Cluster cluster(kTypes, options());
  std::atomic<bool> told{false};
  auto const worker = spawn_one<Saboteur>(cluster, {.on_failure = [&](Error const&) {
                                            told = true;
                                            throw std::runtime_error("so do I");
                                          }});
  worker.kill();
  EXPECT_TRUE(eventually([&] { return told.load(); }));
  auto const other = spawn_one<Saboteur>(cluster, {});
  EXPECT_EQ(other.call(fn<&Saboteur::add>, 1, 2).get(), 3);
}

TEST_P(Failure, CanBeAnsweredByASpawnInOnFailure) {
  std::atomic<int> answer{0};
  cohort::Cluster cluster(kTypes, options());
  auto const worker = spawn_one<Saboteur>(cluster, {.on_failure = [&](Error const&) {
                                            auto const next = spawn_one<Saboteur>(cluster, {});
                                            answer = next.call(fn<&Saboteur::add>, 1, 2).get();
                                          }});
  worker.kill();
  EXPECT_TRUE(eventually([&] { return answer == 3; }));
}

// ---- C5: silence --------------------------------------------------------------------------------

cohort::Settings short_heartbeats() {
  cohort::Settings settings;
  settings.heartbeat_interval = 50ms;
  settings.heartbeat_timeout = 500ms;
  return settings;
}

TEST_P(Failure, BySilenceEndsTheStoppedProcess) {
  start(short_heartbeats());
  auto waiting = worker_->call(fn<&Saboteur::block>);
  ::kill(pid_, SIGSTOP);
  auto const error = error_of([&] { waiting.get(); });
  EXPECT_EQ(error.kind(), ErrorKind::kDisconnected);
  EXPECT_TRUE(contains(error.reason(), "no sign of life for 500 ms (heartbeat_timeout)"));
  EXPECT_TRUE(contains(error.reason(), "it was killed"));
  EXPECT_EQ(error.where().pid, pid_);
  EXPECT_TRUE(is_gone(pid_));
  EXPECT_EQ(failures_.wait_for_first().reason(), error.reason());
  end();
  EXPECT_EQ(failures_.count(), 1U);
}

TEST_P(Failure, BySilenceIsNotSuspectedWhereTheFunctionComputesForLong) {
  start(short_heartbeats());
  EXPECT_NO_THROW(worker_->call(fn<&Saboteur::compute>, 2500ms).get());
  EXPECT_EQ(worker_->call(fn<&Saboteur::add>, 1, 2).get(), 3);
  end();
  EXPECT_EQ(failures_.count(), 0U);
}

TEST_P(Failure, BySilenceIsNotSuspectedOfAnIdleWorkerOrMaster) {
  start(short_heartbeats());
  EXPECT_FALSE(worker_->wait_until_ended(1500ms));
  EXPECT_EQ(worker_->call(fn<&Saboteur::add>, 1, 2).get(), 3);
}

COHORT_OVER_TRANSPORTS(Failure);

}  // namespace
}  // namespace launch_test
