// The orderly end of a worker: also of one that does not want to, or comes to grief on its way.
#include <csignal>
#include <filesystem>

#include "tests/conformance/conformance.h"

namespace conformance {
namespace {

class Shutdown : public ProcessConformance {
 protected:
  /// Whether the worker has ended after it was asked to, and its process is none any more.
  bool ends_when_asked(auto const& worker) {
    worker.shut_down();
    return worker.wait_until_ended(kBound) && is_no_worker(worker.pid());
  }
  TempDir const dir;
};
COHORT_EACH_PROCESS_PLACE(Shutdown);

TEST_P(Shutdown, StopsAFunctionThatListens) {
  auto const file = dir / "history";
  auto const worker = start_with<Mortal>({}, "write " + file.string());
  auto begun = worker.stream(fn<&Mortal::listen>);
  EXPECT_EQ(begun.next(), 1);
  EXPECT_TRUE(ends_when_asked(worker));
  EXPECT_EQ(launch_test::read_file(file), "stopped, destroyed");
  EXPECT_EQ(times_told(), 0u);
}

TEST_P(Shutdown, EndsAStreamThatIsKeptWithAnErrorNeverWithASilentEnd) {
  auto const worker = start();
  auto kept = worker.open(fn<&Everything::keep>);
  kept.result.get();
  worker.call(fn<&Everything::write_to_kept>, "last").get();
  EXPECT_TRUE(ends_when_asked(worker));
  EXPECT_EQ(kept.output.next(), "last");
  EXPECT_EQ(error_of([&] { static_cast<void>(kept.output.next()); }).kind(),
            ErrorKind::kDisconnected);
}

TEST_P(Shutdown, KillsAFunctionThatComputesOn) {
  options.settings.shutdown_timeout = 300ms;
  auto const file = dir / "history";
  auto const worker = start_with<Mortal>({}, "write " + file.string());
  auto computing = worker.stream(fn<&Mortal::compute_on>);
  EXPECT_EQ(computing.next(), 1);
  auto waiting = worker.call(fn<&Mortal::one>);
  worker.shut_down();
  EXPECT_TRUE(ends_when_asked(worker)) << "the second time says nothing new";
  EXPECT_TRUE(is_gone(worker.pid()));
  EXPECT_FALSE(std::filesystem::exists(file));
  for (auto const& error :
       {error_of([&] { all_of(computing); }), error_of([&] { waiting.get(); })}) {
    EXPECT_EQ(error.kind(), ErrorKind::kDisconnected);
    EXPECT_EQ(error.reason(), "the worker was shut down");
  }
  EXPECT_EQ(error_of([&] { worker.call(fn<&Mortal::one>).get(); }).kind(),
            ErrorKind::kDisconnected);
  EXPECT_EQ(times_told(), 0u);
}

TEST_P(Shutdown, KillsAStoppedProcess) {
  options.settings.shutdown_timeout = 200ms;
  auto const worker = start();
  ::kill(worker.pid(), SIGSTOP);
  EXPECT_TRUE(ends_when_asked(worker));
  EXPECT_TRUE(is_gone(worker.pid()));
  EXPECT_EQ(times_told(), 0u);
}

TEST_P(Shutdown, DestroysTheWorkersObject) {
  auto const file = dir / "history";
  {
    auto const worker = start_with<Mortal>({}, "write " + file.string());
    EXPECT_EQ(worker.call(fn<&Mortal::one>).get(), 1);
    EXPECT_FALSE(std::filesystem::exists(file));
  }
  end_cluster();
  EXPECT_EQ(launch_test::read_file(file), "destroyed");
  EXPECT_EQ(times_told(), 0u);
}

TEST_P(Shutdown, DestroysTheObjectAlsoWhereTheClusterGoesFirst) {
  auto const file = dir / "history";
  auto const worker = start_with<Mortal>({}, "write " + file.string());
  end_cluster();
  EXPECT_FALSE(worker.alive());
  EXPECT_EQ(launch_test::read_file(file), "destroyed");
  EXPECT_EQ(times_told(), 0u);
}

TEST_P(Shutdown, SurvivesADestructorThatThrowsOrCrashesAndTellsOfIt) {
  options.settings.shutdown_timeout = 20s;
  struct End {
    char const* how;
    char const* type;
    char const* text;
    char const* line;  ///< on stderr
    int signal;
  };
  for (auto const& end : {End{"throw", "std::runtime_error", "the destructor throws",
                              "std::runtime_error: the destructor throws\n", SIGABRT},
                          End{"terminate", "", "std::terminate was called",
                              "terminates: std::terminate was called\n", SIGABRT},
                          End{"crash", "", "killed by signal 11 (SIGSEGV)", "", SIGSEGV}}) {
    SCOPED_TRACE(end.how);
    auto const begin = Clock::now();
    Failures told;
    auto const file = dir / end.how;
    auto const worker = cohort::spawn_one<Mortal>(
        cluster(),
        {.on_failure = told.listener(), .redirect_stderr = cohort::Redirect::append(file)},
        end.how);
    auto begun = worker.stream(fn<&Mortal::listen>);
    EXPECT_EQ(begun.next(), 1);
    auto queued = worker.call(fn<&Mortal::one>);
    EXPECT_TRUE(ends_when_asked(worker));
    EXPECT_LT(Clock::now() - begin, 20s);

    auto const pending = error_of([&] { queued.get(); });
    EXPECT_EQ(pending.kind(), ErrorKind::kDisconnected);
    auto const error = told.wait_for_first();
    EXPECT_EQ(error.kind(), ErrorKind::kDisconnected);
    EXPECT_EQ(error.exception_type(), end.type);
    EXPECT_TRUE(contains(error.reason(), end.text));
    EXPECT_EQ(pending.reason(), error.reason());
    EXPECT_EQ(error.where().worker, worker.id());
    EXPECT_EQ(error.where().pid, worker.pid());
    ASSERT_TRUE(error.exit());
    EXPECT_EQ(error.exit()->signal, end.signal);
    auto const line = "cohort: worker " + worker.id().to_string() + " (" + worker.host();
    auto const said = launch_test::read_file(file);
    EXPECT_TRUE(*end.line == '\0' || contains(said, line));
    EXPECT_TRUE(contains(said, end.line));
    EXPECT_EQ(start(1).call(fn<&Everything::add>, 1, 1).get(), 3) << "the master lives on";
    EXPECT_EQ(times_told(told), 1u);
  }
  EXPECT_EQ(times_told(), 0u);
}

TEST_P(Shutdown, TakesAnExitCodeForTheEndThatWasAskedFor) {
  auto const worker = start_with<Mortal>({}, "exit");
  EXPECT_TRUE(ends_when_asked(worker));
  ASSERT_TRUE(worker.exit_report());
  EXPECT_EQ(worker.exit_report()->exit_code, 3);
  EXPECT_EQ(times_told(), 0u);
}

TEST_P(Shutdown, GoesOnThoughTheFunctionThatItStopsThrows) {
  auto const file = dir / "history";
  auto const worker = start_with<Mortal>({}, "write " + file.string());
  auto open = worker.open(fn<&Mortal::listen_and_throw>);
  EXPECT_EQ(open.output.next(), 1);
  EXPECT_TRUE(ends_when_asked(worker));
  auto const error = error_of([&] { open.result.get(); });
  EXPECT_EQ(error.kind(), ErrorKind::kFailed);
  EXPECT_EQ(error.reason(), "throws as it is stopped");
  EXPECT_EQ(launch_test::read_file(file), "stopped, destroyed");
  EXPECT_EQ(times_told(), 0u);
}

TEST_P(Shutdown, KillsADestructorThatHangs) {
  options.settings.shutdown_timeout = 300ms;
  auto const worker = start_with<Mortal>({}, "hang");
  EXPECT_TRUE(ends_when_asked(worker));
  EXPECT_TRUE(is_gone(worker.pid()));
  EXPECT_EQ(times_told(), 0u);
}

TEST_P(Shutdown, AfterADeathDoesNotHideIt) {
  {
    auto const worker = start();
    worker.kill();
    EXPECT_TRUE(worker.wait_until_ended(kBound));
    EXPECT_TRUE(ends_when_asked(worker));
    start().kill();  // and lets go of it at once
  }
  EXPECT_EQ(times_told(), 2u);
  EXPECT_TRUE(contains(failures.wait_for_first().reason(), "killed by signal 9 (SIGKILL)"));
}

}  // namespace
}  // namespace conformance
