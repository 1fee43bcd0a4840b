// The typed API from end to end: what travels, and in which order things have their numbers.
#include <algorithm>
#include <atomic>
#include <csignal>
#include <thread>

#include "tests/launch/support.h"
#include "tests/launch/workers.h"

namespace launch_test {
namespace {

using cohort::fn;
using cohort::spawn;
using cohort::spawn_one;

class Calls : public OverTransports {
 protected:
  cohort::Cluster cluster_{kTypes, options()};
  cohort::Worker<Calculator> worker_ = spawn_one<Calculator>(cluster_, {});
};

TEST_P(Calls, CarryArgumentsOfSeveralTypesAndConvertThem) {
  EXPECT_EQ(worker_.call(fn<&Calculator::add>, 40, short{2}).get(), 42);
  EXPECT_EQ(worker_.call(fn<&Calculator::join>, "a", 2, std::vector<int>{3, 4}).get(),
            "a/2.000000/3/4");
}

TEST_P(Calls, OfVoidAndConstFunctionsWorkOnTheSameObject) {
  worker_.call(fn<&Calculator::remember>, std::int64_t{1} << 40).get();
  EXPECT_EQ(worker_.call(fn<&Calculator::remembered>).get(), std::int64_t{1} << 40);
}

TEST_P(Calls, RunInTheOrderInWhichTheyWereMade) {
  std::vector<cohort::Future<std::int64_t>> answers;
  for (int i = 0; i < 500; ++i) {
    auto const dropped = worker_.call(fn<&Calculator::remember>, i);
    answers.push_back(worker_.call(fn<&Calculator::remembered>));
  }
  for (int i = 0; i < 500; ++i) EXPECT_EQ(answers[static_cast<std::size_t>(i)].get(), i);
}

TEST_P(Calls, CarryVectorsOf64MiBBothWays) {
  std::vector<double> xs((std::size_t{64} << 20) / sizeof(double));
  std::iota(xs.begin(), xs.end(), 0.0);
  auto const n = static_cast<double>(xs.size());
  EXPECT_EQ(worker_.call(fn<&Calculator::sum>, xs).get(), n * (n - 1) / 2);
  auto const doubled = worker_.call(fn<&Calculator::doubled>, xs).get();
  ASSERT_EQ(doubled.size(), xs.size());
  bool const right = std::equal(xs.begin(), xs.end(), doubled.begin(),
                                [](double x, double y) { return y == 2 * x; });
  EXPECT_TRUE(right);
  auto moved = xs;
  EXPECT_EQ(worker_.call(fn<&Calculator::sum>, std::move(moved)).get(), n * (n - 1) / 2);
}

TEST_P(Calls, ReturnAtOnceWhereTheirArgumentsCanBeKept) {
  std::vector<int> many(std::size_t{16} << 18, 7);  // 16 MiB: more than any socket holds
  double const number = 2;
  ::kill(worker_.pid(), SIGSTOP);
  auto joined = worker_.call(fn<&Calculator::join>, std::string("a"), number, std::move(many));
  ::kill(worker_.pid(), SIGCONT);
  EXPECT_TRUE(joined.get().starts_with("a/2.000000/7/7"));
}

TEST_P(Calls, CarryWhatCanOnlyBeMoved) {
  auto const answer = worker_.call(fn<&Calculator::increment>, std::make_unique<int>(41)).get();
  ASSERT_NE(answer, nullptr);
  EXPECT_EQ(*answer, 42);
  EXPECT_EQ(worker_.call(fn<&Calculator::increment>, nullptr).get(), nullptr);
}

TEST_P(Calls, FromManyThreadsGetTheirOwnAnswers) {
  std::atomic<int> wrong{0};
  std::vector<std::jthread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        if (worker_.call(fn<&Calculator::add>, t * 1000, i).get() != t * 1000 + i) ++wrong;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

TEST_P(Calls, AreRefusedAtOnceWhereTheMessageIsLargerThanAllowed) {
  auto settings = cohort::Settings{};
  settings.max_message_size = 1 << 20;
  cohort::Cluster strict(kTypes, {.transport = GetParam(), .settings = settings});
  auto const worker = spawn_one<Calculator>(strict, {});
  auto const error =
      error_of([&] { worker.call(fn<&Calculator::sum>, std::vector<double>(1 << 18, 1.0)).get(); });
  EXPECT_EQ(error.kind(), ErrorKind::kRefused);
  EXPECT_TRUE(contains(error.reason(), "max_message_size = 1048576"));
  EXPECT_EQ(worker.call(fn<&Calculator::add>, 1, 2).get(), 3);
}

COHORT_OVER_TRANSPORTS(Calls);

class Spawn : public OverTransports {};

TEST_P(Spawn, StartsAsManyWorkersAsAskedAndNumbersThemInOrder) {
  cohort::Cluster cluster(kTypes, options());
  auto const first = spawn<Calculator>(cluster, {.count = 5});
  auto const second = spawn<Calculator>(cluster, {.count = 2});
  ASSERT_EQ(first.size(), 5U);
  ASSERT_EQ(second.size(), 2U);
  for (std::uint32_t i = 0; i < 5; ++i) {
    EXPECT_EQ(first[i].id().to_string(), std::to_string(i + 1));
    EXPECT_EQ(first[i].call(fn<&Calculator::context>).get(),
              (std::vector<std::uint32_t>{i + 1, i, 5}));
  }
  EXPECT_EQ(second[1].call(fn<&Calculator::context>).get(), (std::vector<std::uint32_t>{7, 1, 2}));
}

TEST_P(Spawn, StartsTheClustersNumberWhereItsOptionsNameNone) {
  auto chosen = options();
  chosen.workers = 3;
  cohort::Cluster cluster(kTypes, chosen);
  EXPECT_EQ(spawn<Calculator>(cluster, {}).size(), 3U);
  cohort::Cluster whole_machine(kTypes, options());
  EXPECT_EQ(whole_machine.workers(), cohort::usable_cores());
}

TEST_P(Spawn, GivesHandlesThatKnowTheirProcess) {
  cohort::Cluster cluster(kTypes, options());
  auto const workers = spawn<Calculator>(cluster, {.count = 3});
  std::set<int> pids;
  for (auto const& worker : workers) {
    EXPECT_EQ(worker.pid(), worker.call(fn<&Calculator::pid>).get());
    EXPECT_EQ(worker.host(), worker.call(fn<&Calculator::host>).get());
    EXPECT_TRUE(worker.alive());
    pids.insert(worker.pid());
  }
  EXPECT_EQ(pids.size(), 3U);
}

TEST_P(Spawn, WorksFromSeveralThreadsAtOnce) {
  cohort::Cluster cluster(kTypes, options());
  std::atomic<int> right{0};
  std::mutex mutex;
  std::set<std::string> ids;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 6; ++t) {
      threads.emplace_back([&] {
        auto const workers = spawn<Calculator>(cluster, {.count = 2});
        for (auto const& worker : workers) {
          if (worker.call(fn<&Calculator::add>, 1, 2).get() == 3) ++right;
          std::lock_guard const lock(mutex);
          ids.insert(worker.id().to_string());
        }
      });
    }
  }
  EXPECT_EQ(right, 12);
  EXPECT_EQ(ids.size(), 12U);
}

TEST_P(Spawn, HandsItsSettingsDownToTheWorker) {
  // A result over the worker's own limit is refused by the worker.
  auto chosen = options();
  chosen.settings.max_message_size = 4096;
  cohort::Cluster cluster(kTypes, chosen);
  auto const worker = spawn_one<Calculator>(cluster, {});
  auto const error = error_of(
      [&] { worker.call(fn<&Calculator::join>, "x", 1.0, std::vector<int>(900, 1234567)).get(); });
  EXPECT_EQ(error.kind(), ErrorKind::kRefused);
  EXPECT_TRUE(contains(error.reason(), "the result is a message of"));
}

TEST_P(Spawn, LetsTheWorkerSeeTheMastersVariablesButNotThatItIsOne) {
  ::setenv("COHORT_TEST_COLOUR", "green", 1);
  cohort::Cluster cluster(kTypes, options());
  auto const worker = spawn_one<Calculator>(cluster, {});
  ::unsetenv("COHORT_TEST_COLOUR");
  EXPECT_EQ(worker.call(fn<&Calculator::variable>, "COHORT_TEST_COLOUR").get(), "green");
  EXPECT_EQ(worker.call(fn<&Calculator::variable>, cohort::kWorkerVariable).get(), "(unset)");
}

TEST_P(Spawn, EndsTheProcessWhenTheHandleGoes) {
  Failures failures;
  auto const before = Holdings::now();
  {
    cohort::Cluster cluster(kTypes, options());
    auto const with_cluster = Holdings::now();
    pid_t pid = 0;
    {
      auto const worker = spawn_one<Calculator>(cluster, {.on_failure = failures.listener()});
      pid = worker.pid();
      EXPECT_FALSE(is_gone(pid));
    }
    EXPECT_TRUE(eventually([&] { return is_gone(pid); }));
    EXPECT_TRUE(nothing_is_left(with_cluster));
  }
  EXPECT_TRUE(nothing_is_left(before));
  EXPECT_EQ(failures.count(), 0U);
}

TEST_P(Spawn, EndsAllWorkersWhenTheClusterGoesAndLeavesTheHandlesHarmless) {
  std::vector<cohort::Worker<Calculator>> workers;
  {
    cohort::Cluster cluster(kTypes, options());
    workers = spawn<Calculator>(cluster, {.count = 3});
  }
  EXPECT_TRUE(Holdings::now().children.empty());
  for (auto const& worker : workers) {
    EXPECT_FALSE(worker.alive());
    EXPECT_TRUE(worker.wait_until_ended(0s));
    worker.kill();
  }
}

TEST_P(Spawn, RefusesATypeThatTheProgramDoesNotList) {
  cohort::Cluster cluster(cohort::app_types<Saboteur>, options());
  EXPECT_THROW(static_cast<void>(spawn_one<Calculator>(cluster, {})), std::logic_error);
}

TEST_P(Spawn, AliveTurnsFalseWhenTheWorkersEndWasReported) {
  cohort::Cluster cluster(kTypes, options());
  auto const worker = spawn_one<Calculator>(cluster, {});
  worker.kill();
  EXPECT_TRUE(worker.wait_until_ended(kBound));
  EXPECT_FALSE(worker.alive());
  auto const error = error_of([&] { worker.call(fn<&Calculator::add>, 1, 2).get(); });
  EXPECT_EQ(error.kind(), ErrorKind::kDisconnected);
  EXPECT_TRUE(contains(error.reason(), "killed by signal 9 (SIGKILL)"));
}

TEST_P(Spawn, WaitUntilEndedGivesUpWhileTheWorkerLives) {
  cohort::Cluster cluster(kTypes, options());
  auto const worker = spawn_one<Calculator>(cluster, {});
  EXPECT_FALSE(worker.wait_until_ended(20ms));
  worker.shut_down();
  EXPECT_TRUE(worker.wait_until_ended(kBound));
}

COHORT_OVER_TRANSPORTS(Spawn);

}  // namespace
}  // namespace launch_test
