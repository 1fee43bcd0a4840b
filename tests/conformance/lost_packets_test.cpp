// The network between a worker and its master loses what it carries: TCP, one direction at a time.
#include "tests/conformance/conformance.h"

namespace conformance {
namespace {

class LostPackets : public testing::Test {
 protected:
  LostPackets() {
    options.settings.heartbeat_interval = 100ms;
    options.settings.heartbeat_timeout = 1500ms;
  }
  cohort::ClusterOptions options{.transport = cohort::Transport::kTcp};
  Failures failures;
};

TEST_F(LostPackets, OfAWorkerAreNoticedByItsHeartbeat) {
  cohort::Cluster cluster(kTypes, options);
  auto const worker =
      cohort::spawn_one<Everything>(cluster, {.on_failure = failures.listener()}, 0);
  auto kept = worker.open(fn<&Everything::keep>);
  auto computing = worker.call(fn<&Everything::compute_until_stopped>);
  EXPECT_EQ(kept.output.next(), "begun");
  lose_what_arrives();
  auto const error = error_of([&] { computing.get(); });
  EXPECT_EQ(error.kind(), ErrorKind::kDisconnected);
  EXPECT_TRUE(contains(error.reason(), "no sign of life for 1500 ms (heartbeat_timeout)"));
  EXPECT_EQ(error_of([&] { all_of(kept.output); }).reason(), error.reason());
  EXPECT_EQ(failures.wait_for_first().reason(), error.reason());
  EXPECT_TRUE(worker.wait_until_ended(kBound));
  EXPECT_TRUE(is_gone(worker.pid()));
  EXPECT_EQ(failures.count(), 1u);
}

TEST_F(LostPackets, OfTheMasterEndTheWorker) {
  cohort::Cluster cluster(kTypes, options);
  auto const worker =
      cohort::spawn_one<Everything>(cluster, {.on_failure = failures.listener()}, 0);
  worker.call(fn<&Everything::lose_what_arrives>).get();
  auto const error = failures.wait_for_first();
  EXPECT_EQ(error.kind(), ErrorKind::kDisconnected);
  ASSERT_TRUE(error.exit()) << error.what();
  // It ends by itself, unless it takes so long after it hung up that its master kills it.
  EXPECT_TRUE(error.exit()->exit_code == 69 || contains(error.reason(), "it was killed"))
      << error.what();
  EXPECT_TRUE(worker.wait_until_ended(kBound));
  EXPECT_EQ(failures.count(), 1u);
}

}  // namespace
}  // namespace conformance
