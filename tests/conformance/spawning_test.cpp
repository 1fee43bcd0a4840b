// spawn: what it hands to a worker; where it fails it says why, to its caller alone, and leaves
// nothing (parity C7).
#include <csignal>
#include <numeric>

#include <sys/stat.h>

#include "tests/conformance/conformance.h"

namespace conformance {
namespace {

class Spawning : public ProcessConformance {};
COHORT_EACH_PROCESS_PLACE(Spawning);

TEST_P(Spawning, ConvertsItsArgumentToTheInit) {
  EXPECT_EQ(start_with<Awkward>({}, "fine").call(fn<&Awkward::how>).get(), "fine");
}

TEST_P(Spawning, ShipsALargeInitToEachWorker) {
  constexpr std::size_t kBytes = launch_test::kSanitized ? 16 << 20 : 100 << 20;
  std::vector<double> values(kBytes / sizeof(double));
  std::iota(values.begin(), values.end(), 0.0);
  auto const n = static_cast<double>(values.size());
  for (auto const& worker : cohort::spawn<Heavy>(cluster(), {.count = 2}, values)) {
    EXPECT_EQ(worker.call(fn<&Heavy::size>).get(), values.size());
    EXPECT_EQ(worker.call(fn<&Heavy::sum>).get(), n * (n - 1) / 2);
  }
}

class SpawnFailure : public ProcessConformance {
 protected:
  /// The error of a spawn of two that must fail; checks that nothing is left and nobody else told.
  template <class W, class... Init>
  Error failing_spawn(SpawnOptions how, Init const&... init) {
    how.count = 2;
    how.on_failure = failures.listener();
    auto const before = Holdings::now();
    auto const host = cluster().runtime()->host;
    auto const with_cluster = Holdings::now();
    auto const error =
        error_of([&] { static_cast<void>(cohort::spawn<W>(cluster(), how, init...)); });
    if (!over_mpi()) {
      EXPECT_EQ(Holdings::now().children, with_cluster.children)
          << "spawn threw before all had ended";
    }
    EXPECT_TRUE(eventually([&] { return no_worker_is_left(); }));
    EXPECT_TRUE(nothing_is_left_but_mpis(with_cluster));
    EXPECT_EQ(start(1).call(fn<&Everything::add>, 1, 1).get(), 3) << "the cluster is of no use now";
    end_cluster();
    EXPECT_TRUE(nothing_is_left_but_mpis(before));
    EXPECT_EQ(failures.count(), 0u);
    auto const worker = error.where().worker.to_string();
    EXPECT_TRUE(worker == "1" || worker == "2") << worker;
    EXPECT_EQ(error.where().host, host);
    return error;
  }
  /// A program that is to run as a worker.
  [[nodiscard]] std::string script(std::string const& text) const {
    auto const file = dir / "program";
    launch_test::write_file(file, "#!/bin/sh\n" + text);
    ::chmod(file.c_str(), 0700);
    return file;
  }
  /// Such a program starts within this time. MPI takes its own to begin with.
  [[nodiscard]] std::chrono::milliseconds start_time() const { return over_mpi() ? 5s : 300ms; }

  TempDir const dir;
};
COHORT_EACH_PROCESS_PLACE(SpawnFailure);

TEST_P(SpawnFailure, NamesTheExecutableThatIsMissing) {
  auto const error = failing_spawn<Everything>({.executable = "/no/such/program"}, 0);
  EXPECT_EQ(error.kind(), ErrorKind::kRefused);
  EXPECT_EQ(error.reason(), "cannot start /no/such/program: No such file or directory");
}

TEST_P(SpawnFailure, NamesTheFileThatIsNotExecutable) {
  auto const program = script("");
  ::chmod(program.c_str(), 0600);
  auto const error = failing_spawn<Everything>({.executable = program}, 0);
  EXPECT_EQ(error.kind(), ErrorKind::kRefused);
  EXPECT_EQ(error.reason(), "cannot start " + program + ": Permission denied");
}

TEST_P(SpawnFailure, OfARankSaysThatItsProcessRunsAlready) {
  options.mpi.replace_ranks = false;
  SpawnOptions const own{.executable = launch_test::this_executable()};
  if (!on_ranks()) {
    EXPECT_EQ(start_with<Everything>(own, 1).call(fn<&Everything::add>, 1, 1).get(), 3);
    return;
  }
  auto const error = failing_spawn<Everything>(own, 0);
  EXPECT_EQ(error.kind(), ErrorKind::kRefused);
  EXPECT_TRUE(contains(error.reason(), "a rank's process runs already (--mpi-replace"));
}

TEST_P(SpawnFailure, SaysThatNoRankIsLeft) {
  options.mpi.replace_ranks = false;
  if (!on_ranks()) GTEST_SKIP() << "as many as one likes";
  auto const first = start();
  auto const second = start();
  auto const error = error_of([&] { static_cast<void>(start()); });
  EXPECT_EQ(error.kind(), ErrorKind::kRefused);
  EXPECT_TRUE(contains(error.reason(), "no rank is left"));
  EXPECT_EQ(first.call(fn<&Everything::add>, 1, 1).get(), 2);
}

TEST_P(SpawnFailure, SaysThatTheProgramEndedBeforeItConnected) {
  auto const error = failing_spawn<Everything>({.executable = "/bin/true"}, 0);
  EXPECT_EQ(error.kind(), ErrorKind::kDisconnected);
  EXPECT_EQ(error.reason(), "exited with code 0; before it had connected");
  EXPECT_GT(error.where().pid, 0);
}

TEST_P(SpawnFailure, CarriesWhatTheProgramSaidBeforeItEnded) {
  auto const error = failing_spawn<Everything>(
      {.executable = script("echo the licence expired >&2\nexit 4\n")}, 0);
  EXPECT_EQ(error.reason(), "exited with code 4; before it had connected");
  EXPECT_TRUE(contains(error.what(), "the licence expired"));
}

TEST_P(SpawnFailure, LeavesNothingWhereAChildOfTheProgramKeepsTheSocketOpen) {
  auto const error = failing_spawn<Everything>({.executable = script("sleep 2 &\nexit 4\n")}, 0);
  EXPECT_EQ(error.reason(), "exited with code 4; before it had connected");
}

TEST_P(SpawnFailure, TimesOutOnAProgramThatNeverShakesHands) {
  auto const begin = Clock::now();
  auto const error = failing_spawn<Everything>(
      {.spawn_timeout = start_time(), .executable = script("exec sleep 1000\n")}, 0);
  EXPECT_EQ(error.kind(), ErrorKind::kTimedOut);
  EXPECT_EQ(error.reason(), "it was not ready within " + std::to_string(start_time().count()) +
                                " ms (spawn_timeout): its process has not connected");
  EXPECT_GT(error.where().pid, 0);
  EXPECT_GE(Clock::now() - begin, start_time());
}

TEST_P(SpawnFailure, NamesTheFirstFunctionInWhichAnotherProgramDiffers) {
  auto const other = launch_test::this_executable().parent_path() / "conformance_other_program";
  auto const error = failing_spawn<Everything>({.executable = other}, 0);
  EXPECT_EQ(error.kind(), ErrorKind::kRefused);
  EXPECT_TRUE(contains(error.reason(),
                       "the worker runs a different executable: it has \"function 1 of "
                       "conformance::Everything: int conformance::Everything::subtract(int, int)\""
                       " where this program has \"function 1 of conformance::Everything: "
                       "std::string conformance::Everything::join("))
      << "or however this compiler writes it";
}

TEST_P(SpawnFailure, CarriesTheExceptionOfTheConstructor) {
  auto const error = failing_spawn<Awkward>({}, "throw");
  EXPECT_EQ(error.kind(), ErrorKind::kFailed);
  EXPECT_EQ(error.exception_type(), "std::out_of_range");
  EXPECT_EQ(error.reason(), "the constructor does not like it");
  EXPECT_EQ(error.where().function, "constructor of conformance::Awkward");
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
  EXPECT_EQ(error.where().function, "constructor of conformance::Awkward");
  ASSERT_TRUE(error.exit());
  EXPECT_EQ(error.exit()->exit_code, 7);
  EXPECT_TRUE(contains(error.exit()->stderr_tail, "last words of Awkward"));
}

TEST_P(SpawnFailure, SaysThatTheConstructorAborted) {
  auto const error = failing_spawn<Awkward>({}, "abort");
  EXPECT_EQ(error.kind(), ErrorKind::kDisconnected);
  EXPECT_TRUE(contains(error.reason(), "killed by signal 6 (SIGABRT)"));
  ASSERT_TRUE(error.exit());
  EXPECT_EQ(error.exit()->signal, SIGABRT);
}

TEST_P(SpawnFailure, TimesOutOnAConstructorThatHangsAndDoesNotWaitForItsOrderlyEnd) {
  options.settings.shutdown_timeout = 100s;
  auto const begin = Clock::now();
  auto const error = failing_spawn<Awkward>({.spawn_timeout = start_time() + 1200ms}, "hang");
  EXPECT_EQ(error.kind(), ErrorKind::kTimedOut);
  EXPECT_TRUE(contains(error.reason(), "its constructor has not returned"));
  EXPECT_EQ(error.where().function, "constructor of conformance::Awkward");
  EXPECT_LT(Clock::now() - begin, 60s);
}

TEST_P(SpawnFailure, IsToldAtOnceWhereAnotherWorkerOfTheCallHangs) {
  auto const begin = Clock::now();
  auto const error = failing_spawn<Awkward>({.spawn_timeout = 200s}, "throw second");
  EXPECT_EQ(error.kind(), ErrorKind::kFailed);
  EXPECT_EQ(error.reason(), "the second fails");
  EXPECT_EQ(error.where().worker.to_string(), "2");
  EXPECT_LT(Clock::now() - begin, 60s);
}

TEST_P(SpawnFailure, NamesTheFileThatCannotTakeTheOutput) {
  auto const error = failing_spawn<Everything>(
      {.redirect_stderr = cohort::Redirect::append("/no/such/dir/err")}, 0);
  EXPECT_EQ(error.kind(), ErrorKind::kRefused);
  EXPECT_EQ(error.reason(),
            "cannot open /no/such/dir/err for a worker's output: No such file or directory");
}

TEST_P(SpawnFailure, OfAFileThatCannotTakeTheOutputCostsNoRank) {
  options.mpi.replace_ranks = false;
  for (int i = 0; i < 3; ++i) {
    static_cast<void>(failing_spawn<Everything>(
        {.redirect_stdout = cohort::Redirect::truncate("/no/such/dir/out")}, 0));
  }
}

}  // namespace
}  // namespace conformance
