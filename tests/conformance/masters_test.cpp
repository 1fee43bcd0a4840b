// What becomes of the workers when their master is killed, or stopped (parity B10). The variable
// COHORT_TEST_ROUNDS says how many masters each test kills. Prints what it measures.
#include "tests/conformance/masters.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "tests/conformance/conformance.h"

namespace conformance {

using launch_test::write_file;

constexpr std::uint32_t kWorkers = 3;

int wait_for_the_end(Place const& place, std::span<char* const> arguments) {
  std::string const state = arguments[0];
  std::filesystem::path const folder = arguments[1];
  cohort::Cluster cluster(kTypes, place.options);  // mpirun hangs where a rank dies before that
  write_file(folder / "pid", std::to_string(::getpid()));
  std::filesystem::rename(folder / "pid", folder / "master");
  if (state == "constructing" || state == "starting" || state == "constructing to outlive") {
    std::map<std::string, std::string> slow;
    if (state == "starting") slow = {{"TEST_SLOW_START", "100"}};
    SpawnOptions how{.count = kWorkers, .environment = slow};
    if (state == "constructing to outlive") how.shutdown_on = cohort::ShutdownOn::kCalledShutdown;
    static_cast<void>(cohort::spawn<Awkward>(cluster, how, "hang"));
    return 1;
  }
  if (state == "parents") {
    auto const parents = cohort::spawn<Everything>(cluster, {.count = kWorkers}, 0);
    for (auto const& parent : parents) parent.call(fn<&Everything::add_by_own_worker>, 1, 2).get();
    write_file(folder / "ready", "ready");
    static_cast<void>(parents[0].wait_until_ended(600s));
    return 1;
  }
  SpawnOptions how{.count = kWorkers};
  if (state == "unheld") how.shutdown_on = cohort::ShutdownOn::kHeartbeatTimeout;
  if (state == "lasting") how.shutdown_on = cohort::ShutdownOn::kCalledShutdown;
  auto const workers = cohort::spawn<Mortal>(cluster, how, "");
  if (state == "unheld") static_cast<void>(cohort::spawn<Mortal>(cluster, how, ""));  // let go of
  std::vector<Stream<int>> computing;
  for (auto const& worker : workers) {
    if (state == "computing") {
      computing.push_back(worker.stream(fn<&Mortal::compute_on>));
      computing.back().next();
    }
    if (state == "stopped") ::kill(worker.pid(), SIGSTOP);
  }
  write_file(folder / "ready", "ready");
  static_cast<void>(workers[0].wait_until_ended(600s));
  return 1;
}

namespace {

using launch_test::kSanitized;

/// A master with three workers, and all that it has started.
class Victim {
 public:
  Victim(Place const& place, std::string const& state, std::vector<std::string> environment)
      : program_([&] {
          auto options = master_at(place, "waiting", {state, dir_.path().string()});
          options.environment = std::move(environment);
          return options;
        }()) {
    bool const is_ready_when_spawned = state != "starting" && !state.starts_with("constructing");
    EXPECT_TRUE(eventually([&] {
      family_ = launch_test::descendants_of(program_.pid());
      std::erase_if(family_, [](pid_t pid) {
        return !launch_test::has_variable(pid, cohort::kWorkerVariable);
      });
      bool const are_twice_as_many = state == "parents" || state == "unheld";
      return family_.size() == (are_twice_as_many ? 2 : 1) * kWorkers &&
             std::filesystem::exists(dir_ / (is_ready_when_spawned ? "ready" : "master"));
    })) << program_.err();
    pid_ = std::atoi(launch_test::read_file(dir_ / "master").c_str());
  }
  Victim(Victim const&) = delete;
  Victim& operator=(Victim const&) = delete;
  ~Victim() {
    for (auto const pid : family_) ::kill(pid, SIGKILL);  // a failed test leaves nothing either
    if (pid_ != 0) ::kill(pid_, SIGKILL);
    EXPECT_TRUE(program_.wait(kBound)) << "mpirun goes on";
  }

  /// Sends it the signal; how long its workers lived on.
  Clock::duration lifetime_after(int signal) {
    auto const begin = Clock::now();
    send(signal);
    for (auto const pid : family_) {
      EXPECT_TRUE(eventually([&] { return is_gone(pid); }, 20s)) << pid;
    }
    return Clock::now() - begin;
  }
  void send(int signal) const {
    if (pid_ != 0) ::kill(pid_, signal);
  }
  [[nodiscard]] bool is_gone_itself() const { return is_gone(pid_); }
  [[nodiscard]] bool all_workers_live() const {
    return std::none_of(family_.begin(), family_.end(), [](pid_t pid) { return is_gone(pid); });
  }

 private:
  TempDir const dir_;
  launch_test::ChildProgram program_;
  std::vector<pid_t> family_;  ///< the workers, and theirs
  pid_t pid_ = 0;
};

class MasterKilled : public testing::TestWithParam<Place> {
 protected:
  void kill_masters_of_workers_that_are(std::string const& state) {
    bool const over_mpi = is_over_mpi(GetParam().options.launcher);
    char const* const text = std::getenv("COHORT_TEST_ROUNDS");
    // A program takes long to start where it is sanitized.
    int const rounds = text != nullptr ? std::atoi(text) : over_mpi ? 1 : kSanitized ? 3 : 20;
    Clock::duration longest{};
    for (int i = 0; i < rounds && !HasFailure(); ++i) {
      auto const took = Victim(GetParam(), state, {}).lifetime_after(SIGKILL);
      EXPECT_LT(took, kSanitized ? 10s : over_mpi ? 5s : 1s);
      longest = std::max(longest, took);
    }
    std::chrono::duration<double, std::milli> const milliseconds = longest;
    RecordProperty("longest_us", static_cast<int>(milliseconds.count() * 1000));
    std::printf("%d masters killed, workers %s at %s: all gone within %.1f ms\n", rounds,
                state.c_str(), GetParam().name, milliseconds.count());
  }
};
COHORT_EACH_PROCESS_PLACE(MasterKilled);

TEST_P(MasterKilled, TakesIdleWorkersWithIt) { kill_masters_of_workers_that_are("idle"); }
TEST_P(MasterKilled, TakesWorkersThatComputeWithIt) {
  kill_masters_of_workers_that_are("computing");
}
TEST_P(MasterKilled, TakesStoppedWorkersWithIt) { kill_masters_of_workers_that_are("stopped"); }
TEST_P(MasterKilled, TakesWorkersThatHaveNotStartedWithIt) {
  kill_masters_of_workers_that_are("starting");
}
TEST_P(MasterKilled, TakesWorkersWithItWhoseHandlesHaveGone) {
  kill_masters_of_workers_that_are("unheld");
}
TEST_P(MasterKilled, LeavesWorkersThatOnlyACallIsToEnd) {
  if (is_over_mpi(GetParam().options.launcher)) GTEST_SKIP() << "refused there";
  Victim victim(GetParam(), "lasting", {});
  victim.send(SIGKILL);
  EXPECT_TRUE(eventually([&] { return victim.is_gone_itself(); }));
  std::this_thread::sleep_for(1s);  // for what should not happen
  EXPECT_TRUE(victim.all_workers_live());
}
TEST_P(MasterKilled, TakesThoseWithItThatItHasNotConstructedThoughTheyWereToOutliveIt) {
  if (is_over_mpi(GetParam().options.launcher)) GTEST_SKIP() << "refused there";
  // They look for the end of their connection; the kernel does not kill them.
  Victim(GetParam(), "constructing to outlive", {}).lifetime_after(SIGKILL);
}
TEST_P(MasterKilled, TakesWorkersOfItsWorkersWithIt) {
  kill_masters_of_workers_that_are("parents");
}
TEST_P(MasterKilled, TakesWorkersThatAreBeingConstructedWithIt) {
  kill_masters_of_workers_that_are("constructing");
}

class MasterStopped : public testing::TestWithParam<Place> {
 protected:
  void stop_a_master_of_workers_that_are(std::string const& state) {
    Victim victim(GetParam(), state,
                  {"COHORT_HEARTBEAT_INTERVAL=100", "COHORT_HEARTBEAT_TIMEOUT=1000"});
    EXPECT_LT(victim.lifetime_after(SIGSTOP), kBound);
  }
};
COHORT_EACH_PROCESS_PLACE(MasterStopped);

TEST_P(MasterStopped, LosesIdleWorkersAfterTheHeartbeatTimeout) {
  stop_a_master_of_workers_that_are("idle");
}
TEST_P(MasterStopped, LosesWorkersOfItsWorkersAfterTheHeartbeatTimeout) {
  stop_a_master_of_workers_that_are("parents");
}
TEST_P(MasterStopped, LosesWorkersThatComputeAfterTheHeartbeatTimeout) {
  stop_a_master_of_workers_that_are("computing");
}
TEST_P(MasterStopped, LosesWorkersWhoseHandlesHaveGoneAfterTheHeartbeatTimeout) {
  stop_a_master_of_workers_that_are("unheld");
}

}  // namespace
}  // namespace conformance
