// Many workers at once. Prints what it measures.
#include <csignal>
#include <cstdio>

#include "tests/launch/main.h"
#include "tests/launch/support.h"
#include "tests/launch/workers.h"

namespace launch_test {
namespace {

using cohort::fn;
using cohort::spawn;

class Many : public OverTransports {};

TEST_P(Many, WorkersStartAnswerAndEnd) {
  constexpr std::uint32_t kMany = kSanitized ? 40 : 200;  // a sanitizer's start takes its time
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

int main(int argc, char** argv) { return launch_test::run_test_program(argc, argv, {}); }
