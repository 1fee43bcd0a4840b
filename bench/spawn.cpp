// L5 and L11: from the start of n processes until each has answered one call. Their ends are not
// timed. The limit is posix_spawn of raw_child with a socket pair each.
#include "launch/spawn.h"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "bench/answerer.h"
#include "bench/measure.h"
#include "bench/raw_child_process.h"
#include "launch/start_app.h"

namespace {

using bench::Answerer;
using bench::RawChildProcess;

struct Scale {
  char const* work;
  std::uint32_t workers;
  bench::Plan plan;
};
Scale const kScales[] = {{"L5/spawn:1", 1, {.repetitions = 15, .iterations = 4}},
                         {"L5/spawn:8", 8, {.repetitions = 11, .iterations = 2}},
                         {"L5/spawn:32", 32, {.repetitions = 7, .iterations = 1}},
                         {"L11/spawn:200", 200, {.repetitions = 3, .iterations = 1}}};

void run_raw(benchmark::State& state, std::uint32_t count) {
  auto const program = bench::sibling_program("raw_child");
  bench::Samples samples(static_cast<std::size_t>(state.max_iterations));
  for (auto _ : state) {
    std::vector<RawChildProcess> children;
    samples.time(state, [&] {
      for (std::uint32_t i = 0; i < count; ++i) children.emplace_back(program);
      for (auto& child : children) child.await_answer();
    });
  }
  state.counters["ms"] = samples.percentile(0.5) * 1e3;
}

void run_cohort(benchmark::State& state, cohort::Cluster& cluster, std::uint32_t count) {
  cohort::SpawnOptions const options{.count = count,
                                     .executable = bench::sibling_program("bench_worker")};
  bench::Samples samples(static_cast<std::size_t>(state.max_iterations));
  for (auto _ : state) {
    std::vector<cohort::Worker<Answerer>> workers;
    samples.time(state, [&] {
      workers = cohort::spawn<Answerer>(cluster, options);
      std::vector<cohort::Future<std::int64_t>> answers;
      for (auto const& worker : workers) {
        answers.push_back(worker.call(cohort::fn<&Answerer::answer>, 7));
      }
      for (auto& answer : answers) {
        if (answer.get() != 7) std::abort();
      }
    });
    for (auto const& worker : workers) worker.shut_down();
    for (auto const& worker : workers) {
      if (!worker.wait_until_ended(std::chrono::seconds(20))) std::abort();
    }
  }
  state.counters["ms"] = samples.percentile(0.5) * 1e3;
}

}  // namespace

int main(int argc, char** argv) {
  return cohort::run_master(cohort::app_types<Answerer>, {}, [&](cohort::Cluster& cluster) {
    for (auto const& scale : kScales) {
      bench::register_in_turn(
          scale.work, scale.plan, [&](benchmark::State& state) { run_raw(state, scale.workers); },
          [&](benchmark::State& state) { run_cohort(state, cluster, scale.workers); });
    }
    return bench::run_registered(argc, argv);
  });
}
