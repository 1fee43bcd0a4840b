// Pools whose workers are lost, and cannot be replaced for a while or ever. The test program is
// also the workers' executable.
#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <ranges>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <cohort/jobs.hpp>
#include <gtest/gtest.h>
#include <unistd.h>

#include "launch/command_line.h"
#include "tests/support/folder.h"
#include "tests/support/waiting.h"

namespace {

using namespace std::chrono_literals;
using cohort::fn;
using cohort::test::eventually;
using cohort::test::Folder;

/// Its constructor ends the process, throws or hangs while the folder has a file "exit", "throw" or
/// "hang", or one with its place behind it ("hang_1").
class Moody {
 public:
  using Init = std::string;
  Moody(std::string folder, cohort::WorkerContext const& context) : folder_(std::move(folder)) {
    auto const told = [&](std::string const& mood) {
      return has(mood) || has(mood + "_" + std::to_string(context.index));
    };
    if (told("exit")) {
      put("failed");
      ::_exit(3);
    }
    if (told("throw")) {
      put("failed");
      throw std::runtime_error("not today");
    }
    while (told("hang")) {
      put("hangs");
      std::this_thread::sleep_for(1ms);
    }
  }

  int pid(int) const { return ::getpid(); }
  int poison(int x) const {
    if (x == 7) std::raise(SIGKILL);
    return x;
  }
  /// Returns once the folder has a file "go".
  int wait(int x) const {
    put("waiting");
    while (!has("go")) std::this_thread::yield();
    return x;
  }

  using Functions = cohort::FunctionList<&Moody::pid, &Moody::poison, &Moody::wait>;

 private:
  [[nodiscard]] bool has(std::string const& name) const {
    return std::filesystem::exists(folder_ + "/" + name);
  }
  void put(std::string const& name) const { std::ofstream(folder_ + "/" + name).close(); }

  std::string folder_;
};

constexpr auto kTypes = cohort::app_types<Moody>;
using MoodyPool = cohort::Pool<Moody>;

class PoolRecovery : public testing::TestWithParam<cohort::Transport> {
 protected:
  /// Quick retries, and no end of them, unless a test says otherwise.
  std::unique_ptr<MoodyPool> pool(std::uint32_t workers,
                                  cohort::PoolOptions options = {.give_up_after = 24h}) {
    options.spawn.count = workers;
    options.spawn.on_failure = [this](cohort::Error const&) { deaths_.fetch_add(1); };
    options.first_retry = 1ms;
    options.longest_retry = std::max<std::chrono::milliseconds>(options.longest_retry, 20ms);
    return std::make_unique<MoodyPool>(cluster_, options, folder_.path());
  }
  static std::set<int> pids(MoodyPool& workers, int tasks = 200) {
    std::set<int> pids;
    for (int const pid : workers.map(fn<&Moody::pid>, std::views::iota(0, tasks))) pids.insert(pid);
    return pids;
  }
  /// Kills so many, and waits until the master knows.
  void kill(std::set<int> const& pids, int how_many) {
    auto const before = deaths_.load();
    for (auto pid = pids.begin(); pid != std::next(pids.begin(), how_many); ++pid) {
      ::kill(*pid, SIGKILL);
    }
    EXPECT_TRUE(eventually([&] { return deaths_.load() == before + how_many; }));
  }

  Folder folder_;
  std::atomic<int> deaths_{0};
  cohort::Cluster cluster_{kTypes, {.transport = GetParam()}};
};

INSTANTIATE_TEST_SUITE_P(Transports, PoolRecovery,
                         testing::Values(cohort::Transport::kUnix, cohort::Transport::kTcp),
                         [](auto const& tested) {
                           return tested.param == cohort::Transport::kUnix ? "unix" : "tcp";
                         });

TEST_P(PoolRecovery, FillsEveryPlaceAgainAfterATimeInWhichNoWorkerCouldStart) {
  auto workers = pool(6);
  auto const first = pids(*workers);
  ASSERT_EQ(first.size(), 6U);
  folder_.put("exit");
  kill(first, 5);
  EXPECT_EQ(pids(*workers).size(), 1U);
  ASSERT_TRUE(eventually([&] { return pids(*workers, 1).size() == 1 && folder_.has("failed"); }));
  EXPECT_EQ(workers->working(), 1U);
  EXPECT_EQ(workers->size(), 6U);
  folder_.take_away("exit");
  EXPECT_TRUE(eventually([&] { return pids(*workers).size() == 6; }));
  EXPECT_EQ(workers->working(), 6U);
}

TEST_P(PoolRecovery, WaitsWhereAllWorkersAreLostUntilOneCanBeStarted) {
  auto workers = pool(3);
  auto const first = pids(*workers);
  folder_.put("throw");
  kill(first, 3);
  EXPECT_EQ(workers->working(), 0U);
  // Several operations wait for the same attempts.
  auto const run = [&] { return pids(*workers).size(); };
  auto one = std::async(std::launch::async, run);
  auto other = std::async(std::launch::async, run);
  ASSERT_TRUE(eventually([&] { return folder_.has("failed"); }));
  folder_.take_away("throw");
  EXPECT_GE(one.get(), 1U);
  EXPECT_GE(other.get(), 1U);
  EXPECT_TRUE(eventually([&] { return pids(*workers).size() == 3; }));
}

TEST_P(PoolRecovery, GivesAReplacementNewTasksWhileTheOthersAreAtLongOnes) {
  auto workers = pool(2, {.in_flight = 1, .give_up_after = 24h});
  auto const first = pids(*workers);
  ASSERT_EQ(first.size(), 2U);
  folder_.put("exit");
  kill(first, 1);
  // The one that is left takes the first, which ends when the third is taken.
  int taken = 0;
  cohort::Generated<int> inputs([&]() -> std::optional<int> {
    if (taken == 1) folder_.take_away("exit");
    if (taken == 2) folder_.put("go");
    return taken < 3 ? std::optional(taken++) : std::nullopt;
  });
  int done = 0;
  for ([[maybe_unused]] int each : workers->map(fn<&Moody::wait>, std::move(inputs))) ++done;
  EXPECT_EQ(done, 3);
}

TEST_P(PoolRecovery, GoesOnWithTheOthersWhereAReplacementCannotBeStarted) {
  auto workers = pool(4);
  for (auto const* each : {"throw_0", "throw_1", "throw_2"}) folder_.put(each);
  std::set<std::size_t> done;
  std::set<std::size_t> lost;
  // The poison ends three workers, whichever: one of them may be the one that comes back.
  for (auto& outcome : workers->map_outcomes(fn<&Moody::poison>, std::views::iota(0, 40))) {
    (outcome.ok() ? done : lost).insert(outcome.index());
  }
  EXPECT_EQ(lost, std::set<std::size_t>{7});
  EXPECT_EQ(done.size(), 39U);
}

TEST_P(PoolRecovery, ThrowsWhyNoneCanBeStartedOnceTheOptionSaysSo) {
  auto workers = pool(2, {.give_up_after = 0ms});
  auto const first = pids(*workers);
  folder_.put("throw");
  kill(first, 2);
  for (int i = 0; i < 2; ++i) {
    try {
      static_cast<void>(pids(*workers));
      ADD_FAILURE() << "an operation on an empty pool ended without its results";
    } catch (cohort::Error const& error) {
      EXPECT_EQ(error.kind(), cohort::ErrorKind::kFailed);
      EXPECT_TRUE(error.reason().starts_with("not today")) << error.what();
      EXPECT_NE(error.reason().find("PoolOptions::give_up_after"), std::string::npos);
      EXPECT_EQ(error.exception_type(), "std::runtime_error");
    }
  }
  folder_.take_away("throw");
  EXPECT_GE(pids(*workers).size(), 1U);
}

TEST_P(PoolRecovery, BeginsWithTheWorkersThatCouldBeStarted) {
  folder_.put("exit_1");
  auto workers = pool(3);
  EXPECT_EQ(workers->working(), 2U);
  EXPECT_EQ(workers->size(), 3U);
  EXPECT_EQ(pids(*workers).size(), 2U);
  folder_.take_away("exit_1");
  EXPECT_TRUE(eventually([&] { return pids(*workers).size() == 3; }));
}

TEST_P(PoolRecovery, ThrowsAsSpawnDoesWhereNoneCanBeStartedAtFirst) {
  folder_.put("throw");
  try {
    static_cast<void>(pool(3));
    FAIL();
  } catch (cohort::Error const& error) {
    EXPECT_EQ(error.kind(), cohort::ErrorKind::kFailed);
    EXPECT_EQ(error.reason(), "not today");
  }
}

TEST_P(PoolRecovery, WaitsForNoStartThatHangs) {
  cohort::PoolOptions options{.give_up_after = 24h};
  options.spawn.spawn_timeout = 24h;
  auto workers = pool(3, options);
  auto const first = pids(*workers);
  folder_.put("hang_0");
  kill(first, 3);
  // Neither do the other places' replacements, nor the end of the pool.
  EXPECT_TRUE(eventually([&] { return pids(*workers).size() == 2 && folder_.has("hangs"); }));
  EXPECT_EQ(workers->working(), 2U);
  workers.reset();
}

TEST_P(PoolRecovery, EndsWhileItWaitsToTryAgain) {
  cohort::PoolOptions options{.longest_retry = 24h, .give_up_after = 24h};
  auto workers = pool(2, options);
  auto const first = pids(*workers);
  folder_.put("exit");
  kill(first, 1);
  EXPECT_TRUE(eventually([&] { return !pids(*workers, 1).empty() && folder_.has("failed"); }));
  workers.reset();
}

TEST_P(PoolRecovery, TellsTheLogHowManyOfHowManyWork) {
  auto const here = cohort::serve<Moody>(cluster_, {}, folder_.path());
  auto records = here.log(cohort::LogLevel::kWarning);
  auto workers = pool(4);
  auto const first = pids(*workers);
  auto const next_about_the_pool = [&] {
    for (;;) {
      auto const record = records.next();
      if (record && record->text.find("a pool of ") != std::string::npos) return *record;
    }
  };
  std::atomic<bool> stop{false};
  std::thread work([&] {
    while (!stop.load()) static_cast<void>(pids(*workers));
  });
  folder_.put("throw");
  kill(first, 3);
  auto record = next_about_the_pool();
  while (record.text.find("Moody: 1 of 4 workers work;") == std::string::npos) {
    record = next_about_the_pool();  // another moment's number
  }
  EXPECT_NE(record.text.find("not today"), std::string::npos) << record.text;
  EXPECT_EQ(record.level, cohort::LogLevel::kWarning);
  // Hundreds of attempts later nothing else was said.
  folder_.take_away("throw");
  EXPECT_NE(next_about_the_pool().text.find("Moody: 4 of 4 workers work again"), std::string::npos);
  stop.store(true);
  work.join();
}

TEST_P(PoolRecovery, BlamesNoTaskForAWorkerThatDiedIdle) {
  auto workers = pool(3, {.losses_to_give_up = 1, .give_up_after = 24h});
  kill(pids(*workers), 3);
  int good = 0;
  for (auto& outcome : workers->map_outcomes(fn<&Moody::pid>, std::views::iota(0, 30))) {
    good += outcome.ok() ? 1 : 0;
  }
  EXPECT_EQ(good, 30);
}

TEST_P(PoolRecovery, RefusesOptionsThatMakeNoSense) {
  auto const refused = [&](cohort::PoolOptions options) {
    options.spawn.count = 1;
    try {
      MoodyPool(cluster_, options, folder_.path());
      return std::string("accepted");
    } catch (std::invalid_argument const& error) {
      return std::string(error.what());
    }
  };
  EXPECT_NE(refused({.in_flight = 0}).find("in_flight is 0"), std::string::npos);
  EXPECT_NE(refused({.first_retry = 0ms}).find("first_retry"), std::string::npos);
  EXPECT_NE(refused({.first_retry = 2s, .longest_retry = 1s}).find("longest_retry"),
            std::string::npos);
  EXPECT_NE(refused({.give_up_after = -1ms}).find("give_up_after"), std::string::npos);
  auto const for_ever = std::chrono::milliseconds::max();
  EXPECT_EQ(refused({.longest_retry = for_ever, .give_up_after = for_ever}), "accepted");
}

}  // namespace

int main(int argc, char** argv) {
  if (cohort::is_worker_process()) return cohort::run_worker(kTypes);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
