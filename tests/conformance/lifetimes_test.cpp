// Spawning, options and ends of workers that have a process of their own (parity B).
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/conformance/conformance.h"

namespace conformance {
namespace {

/// What is written to this process's stderr goes there as long as it lives.
class StderrInAFile {
 public:
  StderrInAFile() : before_(::dup(2)) {
    std::ofstream(folder_ / "stderr").flush();
    cohort::UniqueFd const file(::open((folder_ / "stderr").c_str(), O_WRONLY | O_APPEND));
    ::dup2(file.get(), 2);
  }
  StderrInAFile(StderrInAFile const&) = delete;
  StderrInAFile& operator=(StderrInAFile const&) = delete;
  ~StderrInAFile() { ::dup2(before_.get(), 2); }

  [[nodiscard]] std::string text() const { return launch_test::read_file(folder_ / "stderr"); }

 private:
  TempDir folder_;
  cohort::UniqueFd before_;
};

class Lifetimes : public ProcessConformance {
 protected:
  std::string read_all(cohort::UniqueFd const& pipe) {
    std::string text;
    char buffer[256];
    for (ssize_t count = 0; (count = ::read(pipe.get(), buffer, sizeof buffer)) > 0;) {
      text.append(buffer, static_cast<std::size_t>(count));
    }
    return text;
  }
  /// Over MPI the runtime ends workers with their master, whatever they are to do.
  bool refuses_workers_that_outlive_their_master() {
    if (!over_mpi()) return false;
    EXPECT_THROW(static_cast<void>(start_with<Everything>(
                     {.shutdown_on = cohort::ShutdownOn::kCalledShutdown}, 0)),
                 std::invalid_argument);
    return true;
  }
  static std::string content(std::filesystem::path const& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
  }
};
COHORT_EACH_PROCESS_PLACE(Lifetimes);

TEST_P(Lifetimes, TakeEnvironmentValuesOfAnyText) {
  for (std::string const value : {"", "plain", "two words", "\"double\" and 'single'",
                                  "line one\nline two", "$HOME `id` \\", "a=b=c", "\xc3\xa4\xff"}) {
    auto const worker = start_with<Everything>({.environment = {{"THE_VALUE", value}}}, 0);
    EXPECT_EQ(worker.call(fn<&Everything::variable>, "THE_VALUE").get(), value);
  }
  ::setenv("INHERITED_VALUE", "from the master", 1);
  auto const worker =
      start_with<Everything>({.environment = {{"PATH", "/replaced"}, {"LD_BIND_NOW", "1"}}}, 0);
  EXPECT_EQ(worker.call(fn<&Everything::variable>, "INHERITED_VALUE").get(), "from the master");
  EXPECT_EQ(worker.call(fn<&Everything::variable>, "PATH").get(), "/replaced");
  EXPECT_EQ(worker.call(fn<&Everything::variable>, "LD_BIND_NOW").get(), "1");
  EXPECT_EQ(worker.call(fn<&Everything::variable>, "COHORT_WORKER").get(), "(unset)");
}

TEST_P(Lifetimes, RefuseEnvironmentNamesThatCannotBe) {
  for (auto const* name : {"", "A=B", "COHORT_SPIN"}) {
    EXPECT_THROW(static_cast<void>(start_with<Everything>({.environment = {{name, "x"}}}, 0)),
                 std::invalid_argument)
        << name;
  }
}

TEST_P(Lifetimes, HandOutNoPipeThatNobodyWouldRead) {
  cohort::Redirect const pipe{cohort::Redirect::Mode::kPipe, {}};
  EXPECT_THROW(static_cast<void>(start_with<Everything>({.redirect_stdout = pipe}, 0)),
               std::invalid_argument);
  EXPECT_THROW(static_cast<void>(start_with<Everything>({.redirect_stderr = pipe}, 0)),
               std::invalid_argument);
}

TEST(Serving, RefusesWhatOnlyAProcessHas) {
  cohort::Cluster cluster(kTypes, {});
  for (auto const& options :
       {SpawnOptions{.count = 2}, SpawnOptions{.spawn_timeout = 1s},
        SpawnOptions{.shutdown_on = cohort::ShutdownOn::kCalledShutdown},
        SpawnOptions{.environment = {{"NAME", "value"}}}, SpawnOptions{.directory = "/"},
        SpawnOptions{.umask = 0}, SpawnOptions{.wrap = {"env"}},
        SpawnOptions{.redirect_stdout = cohort::Redirect::null()},
        SpawnOptions{.redirect_stderr = cohort::Redirect::null()},
        SpawnOptions{.executable = "/bin/true"}}) {
    EXPECT_THROW(static_cast<void>(cohort::serve<Everything>(cluster, options, 0)),
                 std::invalid_argument);
  }
}

TEST_P(Lifetimes, StartInTheDirectoryAndWithTheUmaskThatTheyAreGiven) {
  TempDir const dir;
  auto const worker = start_with<Everything>(
      {.directory = dir.path(), .umask = 027, .redirect_stdout = cohort::Redirect::null()}, 0);
  auto const link = "/proc/" + std::to_string(worker.pid()) + "/cwd";
  EXPECT_EQ(std::filesystem::read_symlink(link), std::filesystem::canonical(dir.path()));
  std::ifstream status("/proc/" + std::to_string(worker.pid()) + "/status");
  std::string const text{std::istreambuf_iterator<char>(status), {}};
  EXPECT_TRUE(contains(text, "Umask:\t0027"));
  EXPECT_THROW(static_cast<void>(start_with<Everything>({.directory = "/no/such"}, 0)),
               std::invalid_argument);
}

TEST_P(Lifetimes, CarryTheirNameInErrorsAndBeforeTheirLines) {
  auto const worker = start_with<Everything>({.name = "reader"}, 0);
  auto const error = error_of([&] { worker.call(fn<&Everything::fail>, "no").get(); });
  EXPECT_EQ(error.where().name, "reader");
  EXPECT_TRUE(contains(error.what(), "worker 1 \"reader\" ("));

  auto const tag = "[worker 1 reader " + worker.host() + ' ' + std::to_string(worker.pid()) + "] ";
  StderrInAFile const here;
  worker.call(fn<&Everything::print>, "", "one\ntwo\n").get();
  EXPECT_TRUE(eventually([&] { return here.text() == tag + "one\n" + tag + "two\n"; }))
      << here.text();
}

TEST_P(Lifetimes, RunUnderAnotherCommand) {
  auto const worker =
      start_with<Everything>({.environment = {{"INNER", "set"}}, .wrap = {"env", "OUTER=set"}}, 1);
  EXPECT_EQ(worker.call(fn<&Everything::add>, 1, 1).get(), 3);
  EXPECT_EQ(worker.call(fn<&Everything::variable>, "OUTER").get(), "set");
  EXPECT_EQ(worker.call(fn<&Everything::variable>, "INNER").get(), "set");
  // One that starts the worker as its child rather than becoming it.
  auto const child = start_with<Everything>({.wrap = {"sh", "-c", "\"$@\"; exit 0", "sh"}}, 1);
  EXPECT_EQ(child.call(fn<&Everything::add>, 1, 1).get(), 3);
  auto const pid = child.call(fn<&Everything::pid>).get();
  child.shut_down();
  EXPECT_TRUE(child.wait_until_ended(kBound));
  EXPECT_TRUE(eventually([&] { return is_gone(pid); }));
}

TEST_P(Lifetimes, DieWithTheCommandThatRunsThemAsItsChild) {
  options.settings.heartbeat_interval = 50ms;
  options.settings.heartbeat_timeout = 500ms;
  auto const worker = start_with<Everything>({.wrap = {"sh", "-c", "\"$@\"; exit 0", "sh"}}, 1);
  auto const pid = worker.call(fn<&Everything::pid>).get();
  // As under an init of the same session, where the kernel sends an orphan that is stopped no
  // SIGHUP.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::kill(pid, SIGSTOP);
  EXPECT_TRUE(contains(failures.wait_for_first().what(), "heartbeat_timeout"));
  EXPECT_TRUE(worker.wait_until_ended(kBound));
  EXPECT_TRUE(eventually([&] { return is_gone(pid); }, 5s));
  ::kill(pid, SIGKILL);  // a failed test leaves nothing either
  ::waitpid(pid, nullptr, 0);
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
}

TEST_P(Lifetimes, SayThatTheWrappingCommandIsNotThere) {
  for (int i = 0; i < 4; ++i) {  // as often as one likes: none of them holds up the next
    auto const error = error_of(
        [&] { static_cast<void>(start_with<Everything>({.wrap = {"no-such-command"}}, 0)); });
    EXPECT_EQ(error.kind(), ErrorKind::kRefused);
    EXPECT_TRUE(contains(error.what(), "no-such-command"));
  }
  EXPECT_EQ(start().call(fn<&Everything::add>, 1, 1).get(), 2);
}

TEST_P(Lifetimes, HandOverPipesAndExitInTheForeground) {
  auto const before = Holdings::now();
  {
    auto held = cohort::spawn_in_foreground<Everything>(cluster(), {}, 0);
    EXPECT_EQ(::write(held.in.get(), "a word\n", 7), 7);
    EXPECT_EQ(held.worker.call(fn<&Everything::read_word>).get(), "a");
    held.in.reset();
    EXPECT_EQ(held.worker.call(fn<&Everything::read_word>).get(), "word");
    EXPECT_EQ(held.worker.call(fn<&Everything::read_word>).get(), "") << "the end of its stdin";
    held.worker.call(fn<&Everything::print>, "to out\n", "to err\n").get();
    held.worker.shut_down();
    EXPECT_EQ(read_all(held.out), "to out\n");
    EXPECT_EQ(read_all(held.err), "to err\n");
    auto const exit = held.wait(kBound);
    ASSERT_TRUE(exit);
    EXPECT_EQ(exit->exit_code, 0);

    auto const killed = cohort::spawn_in_foreground<Everything>(cluster(), {}, 0);
    ::kill(killed.worker.pid(), SIGKILL);
    auto const death = killed.wait(kBound);
    ASSERT_TRUE(death);
    EXPECT_EQ(death->signal, SIGKILL);
  }
  end_cluster();
  EXPECT_TRUE(nothing_is_left(before));
}

TEST_P(Lifetimes, InTheForegroundReadTheirOwnStdinAlone) {
  for (std::string const word :
       {"one", "two", "three", "four"}) {  // a rank's process is used again
    auto const held = cohort::spawn_in_foreground<Everything>(cluster(), {}, 0);
    auto const line = word + " and more\n";
    EXPECT_EQ(::write(held.in.get(), line.data(), line.size()), static_cast<ssize_t>(line.size()));
    EXPECT_EQ(held.worker.call(fn<&Everything::read_word>).get(), word);
    held.worker.shut_down();
    EXPECT_TRUE(held.wait(kBound).has_value() || on_ranks());
  }
}

TEST_P(Lifetimes, AreNotSpawnedInTheForegroundWithTheirOutputElsewhere) {
  for (auto const& elsewhere : {SpawnOptions{.redirect_stdout = cohort::Redirect::null()},
                                SpawnOptions{.redirect_stderr = cohort::Redirect::null()}}) {
    EXPECT_THROW(
        static_cast<void>(cohort::spawn_in_foreground<Everything>(cluster(), elsewhere, 0)),
        std::invalid_argument);
  }
}

TEST_P(Lifetimes, EndWithTheirHandleOrWithTheirMasterAsShutdownOnSays) {
  pid_t with_handle = 0;
  pid_t with_master = 0;
  {
    auto const first = start();
    auto const second =
        start_with<Everything>({.shutdown_on = cohort::ShutdownOn::kHeartbeatTimeout}, 0);
    with_handle = first.pid();
    with_master = second.pid();
  }
  EXPECT_TRUE(eventually([&] { return is_no_worker(with_handle); }));
  EXPECT_FALSE(is_no_worker(with_master));
  end_cluster();
  EXPECT_TRUE(is_no_worker(with_master));
  EXPECT_EQ(times_told(), 0u);
}

TEST_P(Lifetimes, OutliveTheirMasterWhereOnlyACallIsToEndThem) {
  if (refuses_workers_that_outlive_their_master()) return;
  auto const before = Holdings::now();
  pid_t pid = 0;
  {
    auto const worker = start_with<Everything>({.shutdown_on = cohort::ShutdownOn::kCalledShutdown,
                                                .redirect_stdout = cohort::Redirect::null(),
                                                .redirect_stderr = cohort::Redirect::null()},
                                               0);
    pid = worker.pid();
  }
  end_cluster();
  EXPECT_FALSE(is_gone(pid));
  ::kill(pid, SIGKILL);  // the test has no other way to it: its session is over
  EXPECT_TRUE(eventually([&] { return is_gone(pid); }));
  EXPECT_TRUE(nothing_is_left(before));
}

TEST_P(Lifetimes, ServeWhoeverHasTheirReferenceOnceTheirMasterIsGone) {
  if (refuses_workers_that_outlive_their_master()) return;
  TempDir const dir;
  auto const before = Holdings::now();
  std::vector<pid_t> pids;
  {
    SpawnOptions const lasting{.shutdown_on = cohort::ShutdownOn::kCalledShutdown,
                               .redirect_stdout = cohort::Redirect::null(),
                               .redirect_stderr = cohort::Redirect::null()};
    auto const alive = cluster().runtime();  // as long as the handles below
    auto const called = start_with<Everything>(lasting, 5);
    auto const caller = start_with<Everything>(lasting, 0);
    pids = {called.pid(), caller.pid()};
    auto open =
        caller.open(fn<&Everything::outlive>, called.ref(), caller.ref(), (dir / "sum").string());
    open.input.write(1);
    open.input.flush();
    end_cluster();
  }
  for (auto const pid : pids) EXPECT_TRUE(eventually([&] { return is_gone(pid); })) << pid;
  EXPECT_EQ(content(dir / "sum"), "8");
  EXPECT_TRUE(nothing_is_left(before));
}

TEST_P(Lifetimes, EndByACallThoughTheirMasterIsToLeaveThemAlone) {
  if (refuses_workers_that_outlive_their_master()) return;
  auto const worker =
      start_with<Everything>({.shutdown_on = cohort::ShutdownOn::kCalledShutdown}, 0);
  worker.shut_down();
  EXPECT_TRUE(worker.wait_until_ended(kBound));
  EXPECT_EQ(times_told(), 0u);
}

TEST_P(Lifetimes, AreCountedInTheOrderOfSpawning) {
  auto const workers = cohort::spawn<Everything>(cluster(), {.count = 8}, 0);
  for (std::uint32_t i = 0; i < workers.size(); ++i) {
    EXPECT_EQ(workers[i].id(), cohort::WorkerId{i + 1});
  }
  EXPECT_EQ(start().id(), cohort::WorkerId{9});
}

TEST_P(Lifetimes, AreCountedInTheOrderOfSpawningThoughTheFirstArrivesLast) {
  TempDir const arrivals;
  auto const waits_for_the_others =
      "case \"$*\" in *--cohort-worker=1*) for i in $(seq 1000); do"
      " [ -e $ARRIVALS/1 ] && [ -e $ARRIVALS/2 ] && break; sleep 0.01; done;; esac; exec \"$@\"";
  auto const workers = cohort::spawn<Everything>(cluster(),
                                                 {.count = 3,
                                                  .environment = {{"ARRIVALS", arrivals.path()}},
                                                  .wrap = {"sh", "-c", waits_for_the_others, "sh"}},
                                                 0);
  auto const arrival = [&](std::uint32_t index) {
    return std::filesystem::last_write_time(arrivals / std::to_string(index));
  };
  EXPECT_GE(arrival(0), std::max(arrival(1), arrival(2)));
  for (std::uint32_t i = 0; i < workers.size(); ++i) {
    EXPECT_EQ(workers[i].id(), cohort::WorkerId{i + 1});
    EXPECT_EQ(workers[i].call(fn<&Everything::index>).get(), i);
    EXPECT_EQ(workers[i].call(fn<&Everything::chain>, 0).get(),
              std::to_string(i + 1) + ':' + std::to_string(workers[i].pid()));
  }
}

TEST_P(Lifetimes, LeaveNoDescriptorAndNoZombieAfterAThousandSpawns) {
  {
    auto const first = start();  // what it sets up stays
    first.shut_down();
    ASSERT_TRUE(first.wait_until_ended(kBound));
  }
  auto const before = Holdings::now();
  // A sanitizer's start takes its time, and so does MPI's.
  bool const slow = launch_test::kSanitized;
  int const rounds = over_mpi() ? 50 : slow ? 100 : 1000;
  for (int i = 0; i < rounds; i += 50) {
    auto const workers = cohort::spawn<Everything>(cluster(), {.count = 50}, i);
    EXPECT_EQ(workers[49].call(fn<&Everything::add>, 0, 0).get(), i);
    if (!over_mpi()) workers[0].kill();
  }
  if (over_mpi()) {  // it keeps a socket for each worker that it has lost
    EXPECT_TRUE(eventually([&] { return Holdings::now().children == before.children; }));
    return;
  }
  EXPECT_TRUE(nothing_is_left(before));
}

TEST_P(Lifetimes, EndThoughOnFailureSpawnsMoreWhileTheClusterEnds) {
  auto const before = Holdings::now();
  for (int round = 0; round < 10; ++round) {
    std::atomic<int> refused{0};
    {
      auto own = std::make_unique<cohort::Cluster>(kTypes, options);
      auto* const still_there = own.get();  // as long as its destructor waits for on_failure
      std::function<void(Error const&)> const respawn = [&](Error const&) {
        try {
          for (;;) static_cast<void>(cohort::spawn_one<Everything>(*still_there, {}, 0));
        } catch (Error const& error) {
          if (error.kind() == ErrorKind::kRefused || error.kind() == ErrorKind::kDisconnected) {
            ++refused;
          }
        }
      };
      auto const worker = cohort::spawn_one<Everything>(*own, {.on_failure = respawn}, 0);
      ::kill(worker.pid(), SIGKILL);
      ASSERT_TRUE(worker.wait_until_ended(kBound));
      own.reset();
    }
    EXPECT_EQ(refused, 1);
  }
  EXPECT_TRUE(nothing_is_left(before));
}

TEST_P(Lifetimes, MayBeSpawnedByOnFailure) {
  cohort::Cluster own(kTypes, options);
  std::mutex mutex;
  std::vector<Worker<Everything>> replacements;
  std::function<void(Error const&)> const respawn = [&](Error const&) {
    auto next = cohort::spawn_one<Everything>(own, {}, 0);
    std::lock_guard const lock(mutex);
    replacements.push_back(std::move(next));
  };
  auto const worker = cohort::spawn_one<Everything>(own, {.on_failure = respawn}, 0);
  ::kill(worker.pid(), SIGKILL);
  EXPECT_TRUE(eventually([&] {
    std::lock_guard const lock(mutex);
    return replacements.size() == 1;
  }));
  EXPECT_EQ(replacements.front().call(fn<&Everything::add>, 1, 2).get(), 3);
}

TEST(ClusterBeforeTheStart, IsRefusedInAWorkersProcess) {
  ::setenv("COHORT_WORKER", "3:1", 1);
  EXPECT_THROW(cohort::Cluster(kTypes, {}), std::logic_error);
  ::unsetenv("COHORT_WORKER");
}

}  // namespace
}  // namespace conformance
