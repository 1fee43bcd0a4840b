// L8: resident and proportional memory of one idle process after it answered, from smaps_rollup.
// The limit is raw_child. No time is measured.
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#include "bench/answerer.h"
#include "bench/measure.h"
#include "bench/raw_child_process.h"
#include "launch/spawn.h"
#include "launch/start_app.h"

namespace {

using bench::Answerer;

void report_memory(benchmark::State& state, int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/smaps_rollup");
  constexpr double kKibInMib = 1024;
  for (std::string word; file >> word;) {
    double kib = 0;
    if (word == "Rss:" && file >> kib) state.counters["rss_mib"] = kib / kKibInMib;
    if (word == "Pss:" && file >> kib) state.counters["pss_mib"] = kib / kKibInMib;
  }
  if (!state.counters.contains("pss_mib")) state.SkipWithError("cannot read smaps_rollup");
}

void run_raw(benchmark::State& state) {
  for (auto _ : state) {
    bench::RawChildProcess child(bench::sibling_program("raw_child"));
    child.await_answer();
    report_memory(state, child.pid());
    state.SetIterationTime(1e-6);
  }
}

void run_cohort(benchmark::State& state, cohort::Cluster& cluster) {
  constexpr std::chrono::milliseconds kUntilIdle{100};
  for (auto _ : state) {
    auto const worker = cohort::spawn_one<Answerer>(
        cluster, {.executable = bench::sibling_program("bench_worker")});
    if (worker.call(cohort::fn<&Answerer::answer>, 7).get() != 7) std::abort();
    std::this_thread::sleep_for(kUntilIdle);
    report_memory(state, worker.pid());
    state.SetIterationTime(1e-6);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return cohort::run_master(cohort::app_types<Answerer>, {}, [&](cohort::Cluster& cluster) {
    bench::register_in_turn("L8/memory", {.repetitions = 3, .iterations = 1}, &run_raw,
                            [&](benchmark::State& state) { run_cohort(state, cluster); });
    return bench::run_registered(argc, argv);
  });
}
