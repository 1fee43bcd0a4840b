// Masters that are killed, and many workers at once. Prints what it measures.
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "tests/launch/main.h"
#include "tests/launch/support.h"
#include "tests/launch/workers.h"

namespace launch_test {
namespace {

using cohort::fn;
using cohort::spawn;

constexpr int kWorkers = 3;

/// A master that waits for its end. Arguments: the transport, what its workers do meanwhile, and
/// the file to create once they do it.
int wait_to_be_killed(std::span<char* const> arguments) {
  cohort::Cluster cluster(kTypes, {.transport = cohort::parse_transport(arguments[0])});
  std::string const state = arguments[1];
  if (state == "constructing") {
    static_cast<void>(spawn<Awkward>(cluster, {.count = kWorkers}, "hang"));
    return 1;
  }
  auto const workers = spawn<Saboteur>(cluster, {.count = kWorkers});
  std::vector<cohort::Future<void>> computing;
  for (auto const& worker : workers) {
    if (state == "computing") {
      computing.push_back(worker.call(fn<&Saboteur::compute>, std::chrono::milliseconds(600s)));
    }
    if (state == "stopped") ::kill(worker.pid(), SIGSTOP);
  }
  write_file(arguments[2], "ready");
  static_cast<void>(workers[0].wait_until_ended(600s));
  return 1;
}

int rounds() {
  char const* const text = std::getenv("COHORT_TEST_ROUNDS");
  return text != nullptr ? std::atoi(text) : 20;
}

std::vector<pid_t> pids_in(std::filesystem::path const& folder) {
  std::vector<pid_t> pids;
  for (auto const& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().filename() != "ready") pids.push_back(std::stoi(entry.path().filename()));
  }
  return pids;
}

using State = std::tuple<cohort::Transport, char const*>;
class MasterKilled : public testing::TestWithParam<State> {
 protected:
  /// Kills a master whose workers are in the state; how long they lived on.
  Clock::duration kill_one(std::string const& transport, std::string const& state) {
    TempDir dir;
    auto options = scenario("victim", {transport, state, (dir / "ready").string()});
    options.environment.push_back("COHORT_TEST_PIDS=" + dir.path().string());
    if (state == "starting") options.environment.push_back("COHORT_TEST_SLOW_START=20000");
    ChildProgram master(options);
    bool const is_ready_when_spawned = state != "starting" && state != "constructing";
    auto const ready = [&] {
      return pids_in(dir.path()).size() == kWorkers &&
             (!is_ready_when_spawned || std::filesystem::exists(dir / "ready"));
    };
    EXPECT_TRUE(eventually(ready)) << master.err();
    auto const pids = pids_in(dir.path());
    for (auto pid : pids) EXPECT_FALSE(is_gone(pid));
    auto const start = Clock::now();
    master.kill();
    for (auto pid : pids) {
      EXPECT_TRUE(eventually([&] { return is_gone(pid); }, 10s)) << state << ", pid " << pid;
    }
    auto const took = Clock::now() - start;
    EXPECT_LT(took, kAsan || kTsan ? 3s : 1s) << state;  // parity B10: one second
    for (auto pid : pids) ::kill(pid, SIGKILL);          // a failed test leaves nothing either
    return took;
  }
};

TEST_P(MasterKilled, TakesItsWorkersWithIt) {
  auto const [transport, state] = GetParam();
  std::string const name = transport == cohort::Transport::kUnix ? "unix" : "tcp";
  Clock::duration longest{};
  for (int i = 0; i < rounds() && !HasFailure(); ++i) {
    longest = std::max(longest, kill_one(name, state));
  }
  std::chrono::duration<double, std::milli> const milliseconds = longest;
  RecordProperty("longest_us", static_cast<int>(milliseconds.count() * 1000));
  std::printf("%d masters killed, workers %s over %s: all gone within %.1f ms\n", rounds(), state,
              name.c_str(), milliseconds.count());
}

std::string name_of_state(testing::TestParamInfo<State> const& info) {
  auto const [transport, state] = info.param;
  return state + std::string(transport == cohort::Transport::kUnix ? "Unix" : "Tcp");
}

INSTANTIATE_TEST_SUITE_P(
    Over, MasterKilled,
    testing::Combine(testing::Values(cohort::Transport::kUnix, cohort::Transport::kTcp),
                     testing::Values("idle", "computing", "stopped", "starting", "constructing")),
    name_of_state);

class MasterStopped : public testing::TestWithParam<State> {};

TEST_P(MasterStopped, LosesItsWorkersAfterTheHeartbeatTimeout) {
  auto const [transport, state] = GetParam();
  TempDir dir;
  auto options = scenario("victim", {transport == cohort::Transport::kUnix ? "unix" : "tcp", state,
                                     (dir / "ready").string()});
  options.environment = {"COHORT_TEST_PIDS=" + dir.path().string(), "COHORT_HEARTBEAT_INTERVAL=100",
                         "COHORT_HEARTBEAT_TIMEOUT=1000"};
  ChildProgram master(options);
  ASSERT_TRUE(eventually([&] { return std::filesystem::exists(dir / "ready"); })) << master.err();
  auto const pids = pids_in(dir.path());
  ASSERT_EQ(pids.size(), static_cast<std::size_t>(kWorkers));
  auto const start = Clock::now();
  ::kill(master.pid(), SIGSTOP);
  for (auto pid : pids) EXPECT_TRUE(eventually([&] { return is_gone(pid); }, 20s)) << pid;
  // The timeout, what a computing function is left, and a busy machine.
  EXPECT_LT(Clock::now() - start, 1s + 500ms + (kAsan || kTsan ? 5s : 1500ms)) << state;
  for (auto pid : pids) ::kill(pid, SIGKILL);  // a failed test leaves nothing
  master.kill();
}

INSTANTIATE_TEST_SUITE_P(Over, MasterStopped,
                         testing::Combine(testing::Values(cohort::Transport::kUnix,
                                                          cohort::Transport::kTcp),
                                          testing::Values("idle", "computing")),
                         name_of_state);

class Many : public OverTransports {};

TEST_P(Many, WorkersStartAnswerAndEnd) {
  constexpr std::uint32_t kMany = kAsan || kTsan ? 40 : 200;  // a sanitizer's start takes its time
  auto const before = Holdings::now();
  auto const start = Clock::now();
  std::chrono::duration<double> started{};
  std::chrono::duration<double> answered{};
  {
    cohort::Cluster cluster(kTypes, options());
    auto const workers = spawn<Calculator>(cluster, {.count = kMany, .spawn_timeout = 120s});
    started = Clock::now() - start;
    std::vector<cohort::Future<int>> answers;
    for (auto const& worker : workers) {
      answers.push_back(worker.call(fn<&Calculator::add>, static_cast<int>(answers.size()), 1));
    }
    for (std::uint32_t i = 0; i < kMany; ++i) {
      EXPECT_EQ(answers[i].get(), static_cast<int>(i) + 1);
      EXPECT_EQ(workers[i].id().to_string(), std::to_string(i + 1));
    }
    answered = Clock::now() - start - started;
  }
  std::chrono::duration<double> const total = Clock::now() - start;
  EXPECT_TRUE(nothing_is_left(before));
  RecordProperty("start_ms", static_cast<int>(started.count() * 1000));
  RecordProperty("total_ms", static_cast<int>(total.count() * 1000));
  std::printf("%u workers: started in %.2f s, answered in %.3f s, ended in %.2f s\n", kMany,
              started.count(), answered.count(),
              total.count() - started.count() - answered.count());
}

TEST_P(Many, WorkersThatAreKilledAtRandomFailTheirOwnCallsAlone) {
  Failures failures;
  {
    cohort::Cluster cluster(kTypes, options());
    auto const workers = spawn<Saboteur>(cluster, {.count = 20,
                                                   .on_failure = failures.listener(),
                                                   .redirect_stderr = cohort::Redirect::null()});
    std::vector<cohort::Future<void>> blocked;
    for (std::size_t i = 0; i < workers.size(); ++i) {  // those that are killed would go on
      auto const duration = i % 2 == 0 ? std::chrono::milliseconds(60s) : 50ms;
      blocked.push_back(workers[i].call(fn<&Saboteur::compute>, duration));
    }
    for (std::size_t i = 0; i < workers.size(); i += 2) ::kill(workers[i].pid(), SIGKILL);
    for (std::size_t i = 0; i < workers.size(); ++i) {
      if (i % 2 == 0) {
        EXPECT_EQ(error_of([&] { blocked[i].get(); }).where().pid, workers[i].pid());
      } else {
        EXPECT_NO_THROW(blocked[i].get());
      }
    }
  }
  EXPECT_EQ(failures.count(), 10U);
}

COHORT_OVER_TRANSPORTS(Many);

}  // namespace
}  // namespace launch_test

int main(int argc, char** argv) {
  constexpr std::array<launch_test::Scenario, 1> kScenarios{
      launch_test::Scenario{"victim", &launch_test::wait_to_be_killed}};
  return launch_test::run_test_program(argc, argv, kScenarios);
}
