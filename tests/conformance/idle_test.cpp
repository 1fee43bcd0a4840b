// What workers and their master use while nobody wants anything of them.
#include <unistd.h>

#include "tests/conformance/conformance.h"

namespace conformance {
namespace {

class Idleness : public ProcessConformance {};
COHORT_EACH_PROCESS_PLACE(Idleness);

TEST_P(Idleness, OfTwentyWorkersUsesHardlyAnyProcessor) {
  options.settings.heartbeat_interval = 100ms;
  auto const workers = cohort::spawn<Everything>(cluster(), {.count = over_mpi() ? 4u : 20u}, 0);
  for (auto const& worker : workers) worker.call(fn<&Everything::add>, 1, 2).get();
  auto const used = [&] {
    auto ticks = launch_test::cpu_ticks(::getpid());
    for (auto const& worker : workers) ticks += launch_test::cpu_ticks(worker.pid());
    return ticks;
  };
  auto const before = used();
  EXPECT_FALSE(workers[0].wait_until_ended(2s));  // twenty heartbeats of each
  // All of them need two or three. One that polled would have most of its core's 200, and its part
  // of them where others want the core.
  EXPECT_LT(used() - before, 30u);
}

}  // namespace
}  // namespace conformance
