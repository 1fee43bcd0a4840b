// spawn that fails: it says why, to its caller alone, and leaves neither process nor descriptor.
#include <csignal>
#include <cstdio>
#include <filesystem>

#include <sys/resource.h>
#include <sys/stat.h>

#include "tests/launch/support.h"
#include "tests/launch/workers.h"

namespace launch_test {
namespace {

using cohort::fn;
using cohort::spawn;
using cohort::spawn_one;

class SpawnFailure : public OverTransports {
 protected:
  /// The error of a spawn of two that must fail; checks that nothing is left and nobody else told.
  template <class W, class... Init>
  Error failing_spawn(cohort::SpawnOptions spawn_options, Init const&... init) {
    Failures failures;
    spawn_options.count = 2;
    spawn_options.on_failure = failures.listener();
    auto const before = Holdings::now();
    std::optional<Error> error;
    {
      cohort::Cluster cluster(kTypes, options());
      auto const with_cluster = Holdings::now();
      error = error_of([&] { static_cast<void>(spawn<W>(cluster, spawn_options, init...)); });
      EXPECT_TRUE(Holdings::now().children.empty()) << "spawn threw before all had ended";
      EXPECT_TRUE(nothing_is_left(with_cluster));
      auto const next = spawn_one<Calculator>(cluster, {});
      EXPECT_EQ(next.call(fn<&Calculator::add>, 1, 2).get(), 3) << "the cluster is of no use now";
    }
    EXPECT_TRUE(nothing_is_left(before));
    EXPECT_EQ(failures.count(), 0U);
    auto const worker = error->where().worker.to_string();
    EXPECT_TRUE(worker == "1" || worker == "2") << worker;
    EXPECT_FALSE(error->where().host.empty());
    return *error;
  }
};

TEST_P(SpawnFailure, NamesTheExecutableThatIsMissing) {
  auto const error = failing_spawn<Calculator>({.executable = "/no/such/program"});
  EXPECT_EQ(error.kind(), ErrorKind::kRefused);
  EXPECT_EQ(error.reason(), "cannot start /no/such/program: No such file or directory");
}

TEST_P(SpawnFailure, NamesTheFileThatIsNotExecutable) {
  TempDir dir;
  write_file(dir / "program", "#!/bin/sh\n");
  auto const path = (dir / "program").string();
  auto const error = failing_spawn<Calculator>({.executable = path});
  EXPECT_EQ(error.kind(), ErrorKind::kRefused);
  EXPECT_EQ(error.reason(), "cannot start " + path + ": Permission denied");
}

TEST_P(SpawnFailure, SaysThatTheProgramEndedBeforeItConnected) {
  auto const error = failing_spawn<Calculator>({.executable = "/bin/true"});
  EXPECT_EQ(error.kind(), ErrorKind::kDisconnected);
  EXPECT_EQ(error.reason(), "exited with code 0; before it had connected");
  EXPECT_GT(error.where().pid, 0);
}

TEST_P(SpawnFailure, CarriesWhatTheProgramSaidBeforeItEnded) {
  TempDir dir;
  write_file(dir / "program", "#!/bin/sh\necho the licence expired >&2\nexit 4\n");
  ::chmod((dir / "program").c_str(), 0700);
  auto const error = failing_spawn<Calculator>({.executable = dir / "program"});
  EXPECT_EQ(error.reason(), "exited with code 4; before it had connected");
  EXPECT_TRUE(contains(error.what(), "the licence expired"));
}

TEST_P(SpawnFailure, LeavesNothingWhereAChildOfTheProgramKeepsTheSocketOpen) {
  TempDir dir;
  write_file(dir / "program", "#!/bin/sh\nsleep 2 &\nexit 4\n");
  ::chmod((dir / "program").c_str(), 0700);
  auto const error = failing_spawn<Calculator>({.executable = dir / "program"});
  EXPECT_EQ(error.reason(), "exited with code 4; before it had connected");
}

TEST_P(SpawnFailure, TimesOutOnAProgramThatNeverShakesHands) {
  TempDir dir;
  write_file(dir / "program", "#!/bin/sh\nexec sleep 1000\n");
  ::chmod((dir / "program").c_str(), 0700);
  auto const start = Clock::now();
  auto const error =
      failing_spawn<Calculator>({.spawn_timeout = 300ms, .executable = dir / "program"});
  EXPECT_EQ(error.kind(), ErrorKind::kTimedOut);
  EXPECT_EQ(error.reason(), "it was not ready within 300 ms (spawn_timeout)");
  EXPECT_GT(error.where().pid, 0);
  EXPECT_GE(Clock::now() - start, 300ms);
}

TEST_P(SpawnFailure, NamesTheFirstFunctionInWhichAnotherProgramDiffers) {
  auto const error = failing_spawn<Calculator>(
      {.executable = this_executable().parent_path() / "launch_other_program"});
  EXPECT_EQ(error.kind(), ErrorKind::kRefused);
  EXPECT_TRUE(contains(error.reason(),
                       "the worker runs a different executable: it has \"function "
                       "1 of launch_test::Calculator: int "
                       "launch_test::Calculator::subtract(int, int)\""));
  EXPECT_TRUE(contains(error.reason(),
                       "where this program has \"function 1 of "
                       "launch_test::Calculator: std::string "
                       "launch_test::Calculator::join("))
      << "or however this compiler writes it";
}

TEST_P(SpawnFailure, CarriesTheExceptionOfTheConstructor) {
  auto const error = failing_spawn<Awkward>({}, "throw");
  EXPECT_EQ(error.kind(), ErrorKind::kFailed);
  EXPECT_EQ(error.exception_type(), "std::out_of_range");
  EXPECT_EQ(error.reason(), "the constructor does not like it");
  EXPECT_EQ(error.where().function, "constructor of launch_test::Awkward");
  EXPECT_GT(error.where().pid, 0);
}

TEST_P(SpawnFailure, CarriesTheTypeOfWhatIsNoStdException) {
  auto const error = failing_spawn<Awkward>({}, "throw number");
  EXPECT_EQ(error.kind(), ErrorKind::kFailed);
  EXPECT_EQ(error.exception_type(), "int");
}

TEST_P(SpawnFailure, SaysHowTheProcessEndedThatTheConstructorEnded) {
  auto const error = failing_spawn<Awkward>({}, "_exit");
  EXPECT_EQ(error.kind(), ErrorKind::kDisconnected);
  EXPECT_EQ(error.reason(), "exited with code 7");
  EXPECT_EQ(error.where().function, "constructor of launch_test::Awkward");
  ASSERT_TRUE(error.exit().has_value());
  EXPECT_EQ(error.exit()->exit_code, 7);
  EXPECT_TRUE(contains(error.exit()->stderr_tail, "last words of Awkward"));
}

TEST_P(SpawnFailure, SaysThatTheConstructorAborted) {
  auto const error = failing_spawn<Awkward>({}, "abort");
  EXPECT_EQ(error.kind(), ErrorKind::kDisconnected);
  EXPECT_TRUE(contains(error.reason(), "killed by signal 6 (SIGABRT)"));
}

TEST_P(SpawnFailure, TimesOutOnAConstructorThatHangsAndDoesNotWaitForItsOrderlyEnd) {
  auto const start = Clock::now();
  auto const error = failing_spawn<Awkward>({.spawn_timeout = 1500ms}, "hang");
  EXPECT_EQ(error.kind(), ErrorKind::kTimedOut);
  EXPECT_LT(Clock::now() - start, 1500ms + cohort::Settings{}.shutdown_timeout);
}

TEST_P(SpawnFailure, IsToldAtOnceWhereAnotherWorkerOfTheCallHangs) {
  auto const error = failing_spawn<Awkward>({}, "throw second");
  EXPECT_EQ(error.kind(), ErrorKind::kFailed);
  EXPECT_EQ(error.reason(), "the second fails");
  EXPECT_EQ(error.where().worker.to_string(), "2");
}

TEST_P(SpawnFailure, NamesTheFileThatCannotTakeTheOutput) {
  auto const error =
      failing_spawn<Calculator>({.redirect_stderr = cohort::Redirect::append("/no/such/dir/err")});
  EXPECT_EQ(error.kind(), ErrorKind::kRefused);
  EXPECT_EQ(error.reason(),
            "cannot open /no/such/dir/err for a worker's output: No such file or directory");
}

TEST_P(SpawnFailure, NamesTheCallThatFoundNoDescriptorLeft) {
  auto const before = Holdings::now();
  {
    cohort::Cluster cluster(kTypes, options());
    rlimit usual{};
    ::getrlimit(RLIMIT_NOFILE, &usual);
    rlimit const tight{before.descriptors.size() + 30, usual.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &tight);
    auto const error =
        error_of([&] { static_cast<void>(spawn<Calculator>(cluster, {.count = 40})); });
    ::setrlimit(RLIMIT_NOFILE, &usual);
    EXPECT_EQ(error.kind(), ErrorKind::kRefused);
    EXPECT_TRUE(contains(error.reason(), "Too many open files"));
    EXPECT_TRUE(Holdings::now().children.empty());
    EXPECT_EQ(spawn_one<Calculator>(cluster, {}).call(fn<&Calculator::add>, 1, 2).get(), 3);
  }
  EXPECT_TRUE(nothing_is_left(before));
}

COHORT_OVER_TRANSPORTS(SpawnFailure);

}  // namespace
}  // namespace launch_test
