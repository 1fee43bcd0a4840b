// A program at its limit of threads, at every thread that it would start: an Error that says so, or
// success; no hang, no crash, and nothing is left.
#include <cohort/jobs.hpp>

#include "tests/launch/main.h"
#include "tests/launch/support.h"
#include "tests/launch/workers.h"
#include "tests/support/few_threads.h"

namespace launch_test {
namespace {

using cohort::fn;
using cohort::test::FewThreads;

constexpr int kMoreThanAnyNeeds = 40;

/// Spawns, calls, cancels, subscribes, serves and maps; all that starts threads.
void do_everything(cohort::ClusterOptions const& options) {
  cohort::Cluster cluster(kTypes, options);
  Failures failures;
  auto const workers =
      cohort::spawn<Calculator>(cluster, {.count = 2, .on_failure = failures.listener()});
  for (auto const& worker : workers) EXPECT_EQ(worker.call(fn<&Calculator::add>, 1, 2).get(), 3);
  auto log = workers.front().log();
  auto const subscription = std::move(log).subscribe([](cohort::LogRecord const&) {});
  auto const served = cohort::serve<Calculator>(cluster, {});
  EXPECT_EQ(served.call(fn<&Calculator::add>, 1, 2).get(), 3);
  served.post(fn<&Calculator::remember>, 7);
  cohort::Pool<Calculator> pool(cluster, {.spawn = {.count = 2}});
  std::size_t results = 0;
  std::vector<std::vector<double>> const inputs(20, {1.0});
  for (auto const& result : pool.map(fn<&Calculator::doubled>, inputs)) results += result.size();
  EXPECT_EQ(results, 20u);
  workers.back().kill();
  EXPECT_TRUE(contains(failures.wait_for_first().what(), "SIGKILL"));
}

TEST(FewThreads, OfAMasterAreAnErrorAndNothingIsLeft) {
  for (auto const transport : {cohort::Transport::kUnix, cohort::Transport::kTcp}) {
    bool enough = false;
    for (int n = 0; n < kMoreThanAnyNeeds && !enough; ++n) {
      SCOPED_TRACE(n);
      auto const before = Holdings::now();
      {
        FewThreads const few(n);
        try {
          do_everything({.transport = transport});
          enough = FewThreads::refused() == 0;
        } catch (Error const& error) {
          EXPECT_EQ(error.kind(), ErrorKind::kRefused) << error.what();
          EXPECT_TRUE(contains(error.what(), "cannot start a thread for "));
          EXPECT_TRUE(contains(error.what(), "ulimit -u, pids.max"));
        }
      }
      EXPECT_TRUE(nothing_is_left(before));
    }
    EXPECT_TRUE(enough);
  }
}

TEST(FewThreads, OfAMasterRefuseASpawnAndTheNextOneWorks) {
  cohort::Cluster cluster(kTypes, {});
  auto const before = Holdings::now();
  {
    FewThreads const none(0);
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(error_of([&] {
                  static_cast<void>(cohort::spawn<Calculator>(cluster, {.count = 5}));
                }).kind(),
                ErrorKind::kRefused);
    }
  }
  EXPECT_TRUE(nothing_is_left(before));
  auto const worker = cohort::spawn_one<Calculator>(cluster, {});
  EXPECT_EQ(worker.call(fn<&Calculator::add>, 1, 2).get(), 3);
}

TEST(FewThreads, OfAWorkerAreTheErrorOfItsSpawn) {
  bool enough = false;
  for (int n = 0; n < kMoreThanAnyNeeds && !enough; ++n) {
    SCOPED_TRACE(n);
    auto const before = Holdings::now();
    try {
      cohort::Cluster cluster(kTypes, {});
      auto const worker = cohort::spawn_one<Calculator>(
          cluster, {.environment = {{cohort::test::kThreadsVariable, std::to_string(n)}}});
      EXPECT_EQ(worker.call(fn<&Calculator::add>, 1, 2).get(), 3);
      enough = true;
    } catch (Error const& error) {
      EXPECT_TRUE(contains(error.what(), "cannot start a thread for the I/O engine"));
    }
    EXPECT_TRUE(nothing_is_left(before));
  }
  EXPECT_TRUE(enough);
}

}  // namespace
}  // namespace launch_test

int main(int argc, char** argv) { return launch_test::run_test_program(argc, argv, {}); }
