// Cancelling a call, and the orderly end of a worker: also of one that does not want to.
#include <csignal>

#include "tests/launch/support.h"
#include "tests/launch/workers.h"

namespace launch_test {
namespace {

using cohort::fn;
using cohort::spawn_one;

class Shutdown : public OverTransports {
 protected:
  [[nodiscard]] cohort::ClusterOptions patient_for(std::chrono::milliseconds patience) const {
    auto chosen = options();
    chosen.settings.shutdown_timeout = patience;
    return chosen;
  }
  TempDir dir_;
  Failures failures_;
};

TEST_P(Shutdown, OfACallIsCancelAndReachesTheFunctionThatComputes) {
  cohort::Cluster cluster(kTypes, options());
  auto const worker = spawn_one<Saboteur>(cluster, {.on_failure = failures_.listener()});
  auto computing = worker.call(fn<&Saboteur::compute_until_stopped>, (dir_ / "begun").string(),
                               (dir_ / "ended").string());
  auto queued = worker.call(fn<&Saboteur::exit_at_once>, 3);
  ASSERT_TRUE(eventually([&] { return std::filesystem::exists(dir_ / "begun"); }));
  EXPECT_FALSE(std::filesystem::exists(dir_ / "ended"));
  queued.cancel();  // it never begins
  computing.cancel();
  EXPECT_TRUE(computing.ready());
  auto const error = error_of([&] { computing.get(); });
  EXPECT_EQ(error.kind(), ErrorKind::kCancelled);
  EXPECT_EQ(error.where().worker.to_string(), "1");
  EXPECT_TRUE(contains(error.where().function, "compute_until_stopped"));
  EXPECT_EQ(worker.call(fn<&Saboteur::add>, 1, 2).get(), 3);
  EXPECT_TRUE(std::filesystem::exists(dir_ / "ended"));
  EXPECT_EQ(failures_.count(), 0U);
}

TEST_P(Shutdown, StopsAFunctionThatListens) {
  {
    cohort::Cluster cluster(kTypes, options());
    auto const worker = spawn_one<Saboteur>(cluster, {.on_failure = failures_.listener()});
    auto const computing = worker.call(fn<&Saboteur::compute_until_stopped>,
                                       (dir_ / "begun").string(), (dir_ / "ended").string());
    ASSERT_TRUE(eventually([&] { return std::filesystem::exists(dir_ / "begun"); }));
    worker.shut_down();
    EXPECT_TRUE(worker.wait_until_ended(kBound));
    EXPECT_TRUE(std::filesystem::exists(dir_ / "ended"));
  }
  EXPECT_EQ(failures_.count(), 0U);
}

TEST_P(Shutdown, KillsAFunctionThatComputesOn) {
  cohort::Cluster cluster(kTypes, patient_for(300ms));
  auto const worker = spawn_one<Saboteur>(cluster, {.on_failure = failures_.listener()});
  auto computing = worker.call(fn<&Saboteur::compute>, std::chrono::milliseconds(60s));
  auto waiting = worker.call(fn<&Saboteur::add>, 1, 2);
  worker.shut_down();
  worker.shut_down();  // says nothing new
  EXPECT_TRUE(worker.wait_until_ended(kBound));
  EXPECT_TRUE(is_gone(worker.pid()));
  for (auto const& error : {error_of([&] { computing.get(); }), error_of([&] { waiting.get(); })}) {
    EXPECT_EQ(error.kind(), ErrorKind::kDisconnected);
    EXPECT_EQ(error.reason(), "the worker was shut down");
  }
  EXPECT_EQ(error_of([&] { worker.call(fn<&Saboteur::add>, 1, 2).get(); }).kind(),
            ErrorKind::kDisconnected);
  EXPECT_EQ(failures_.count(), 0U);
}

TEST_P(Shutdown, KillsAStoppedProcess) {
  cohort::Cluster cluster(kTypes, patient_for(200ms));
  auto const worker = spawn_one<Saboteur>(cluster, {.on_failure = failures_.listener()});
  ::kill(worker.pid(), SIGSTOP);
  worker.shut_down();
  EXPECT_TRUE(worker.wait_until_ended(kBound));
  EXPECT_EQ(failures_.count(), 0U);
}

TEST_P(Shutdown, DestroysTheWorkersObject) {
  auto const file = dir_ / "destroyed";
  {
    cohort::Cluster cluster(kTypes, options());
    auto const worker = spawn_one<Mortal>(cluster, {}, "write " + file.string());
    EXPECT_EQ(worker.call(fn<&Mortal::one>).get(), 1);
    EXPECT_FALSE(std::filesystem::exists(file));
  }
  EXPECT_EQ(read_file(file), "destroyed");
}

TEST_P(Shutdown, DestroysTheObjectAlsoWhereTheMasterIsGone) {
  auto const file = dir_ / "destroyed";
  auto cluster = std::make_unique<cohort::Cluster>(kTypes, options());
  {
    auto const worker = spawn_one<Mortal>(*cluster, {}, "write " + file.string());
    cluster.reset();
    EXPECT_FALSE(worker.alive());
  }
  EXPECT_TRUE(std::filesystem::exists(file));
}

TEST_P(Shutdown, SurvivesADestructorThatThrowsAndTellsOfIt) {
  for (std::string const how : {"throw", "terminate"}) {
    auto const start = Clock::now();
    {
      cohort::Cluster cluster(kTypes, patient_for(20s));
      auto const worker = spawn_one<Mortal>(cluster, {.on_failure = failures_.listener()}, how);
      worker.shut_down();
      EXPECT_TRUE(worker.wait_until_ended(kBound)) << how;
    }
    EXPECT_LT(Clock::now() - start, 20s) << how;
  }
  EXPECT_EQ(failures_.count(), 2U);
  EXPECT_TRUE(contains(failures_.wait_for_first().what(), "the destructor throws"));
}

TEST_P(Shutdown, KillsADestructorThatHangs) {
  cohort::Cluster cluster(kTypes, patient_for(300ms));
  auto const worker = spawn_one<Mortal>(cluster, {.on_failure = failures_.listener()}, "hang");
  worker.shut_down();
  EXPECT_TRUE(worker.wait_until_ended(kBound));
  EXPECT_EQ(failures_.count(), 0U);
}

TEST_P(Shutdown, AfterADeathDoesNotHideIt) {
  {
    cohort::Cluster cluster(kTypes, options());
    auto const worker = spawn_one<Saboteur>(cluster, {.on_failure = failures_.listener()});
    worker.kill();
    EXPECT_TRUE(worker.wait_until_ended(kBound));
    worker.shut_down();
  }
  EXPECT_EQ(failures_.count(), 1U);
}

COHORT_OVER_TRANSPORTS(Shutdown);

}  // namespace
}  // namespace launch_test
