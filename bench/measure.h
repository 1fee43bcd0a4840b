// How the benchmarks measure: limit and cohort in turn, many short repetitions, medians.
// Names are "L1/call/unix/raw/rep:0": bench/report pairs what differs in raw or cohort alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>

namespace bench {

using Body = std::function<void(benchmark::State&)>;

struct Plan {
  int repetitions = 9;
  /// Google Benchmark's iterations of one repetition; never chosen by itself, so that it runs a
  /// repetition once and limit and cohort stay neighbours in time.
  benchmark::IterationCount iterations = 1;
};

/// Registers "<work>/raw" and "<work>/cohort" alternately. Both set their iteration times.
void register_in_turn(std::string const& work, Plan const& plan, Body const& raw,
                      Body const& cohort);

/// Runs what was registered, as Google Benchmark's options say. Returns main's exit code.
[[nodiscard]] int run_registered(int argc, char** argv);

/// Times of one repetition, in seconds.
class Samples {
 public:
  explicit Samples(std::size_t expected) { seconds_.reserve(expected); }

  /// Runs the function once; its time is that of one iteration of `state` and one sample.
  template <class Function>
  void time(benchmark::State& state, Function&& function) {
    auto const start = std::chrono::steady_clock::now();
    function();
    std::chrono::duration<double> const taken = std::chrono::steady_clock::now() - start;
    state.SetIterationTime(taken.count());
    seconds_.push_back(taken.count());
  }
  /// `share` of the samples are not larger than this.
  [[nodiscard]] double percentile(double share);

 private:
  std::vector<double> seconds_;
};

/// How calls are timed one at a time.
struct CallPlan {
  std::int64_t warm_up = 0;            ///< calls before the first that is timed
  std::chrono::milliseconds pause{0};  ///< before each that is timed
};

/// Times `once(x)` for x = 0, 1, ..., of which the first are not timed. Counters: p50_us, p99_us.
template <class Once>
void time_calls(benchmark::State& state, CallPlan const& plan, Once&& once) {
  Samples samples(static_cast<std::size_t>(state.max_iterations));
  std::int64_t x = 0;
  while (x < plan.warm_up) once(x++);
  for (auto _ : state) {
    if (plan.pause.count() != 0) std::this_thread::sleep_for(plan.pause);
    samples.time(state, [&] { once(x); });
    ++x;
  }
  state.counters["p50_us"] = samples.percentile(0.50) * 1e6;
  state.counters["p99_us"] = samples.percentile(0.99) * 1e6;
}

/// The path of a program that was built next to this one.
[[nodiscard]] std::string sibling_program(std::string const& name);

/// Ends the process where an answer was wrong.
inline void demand(bool right) {
  if (!right) std::abort();
}
/// Ends the process with the name of the call where a system call failed.
int must(int result, char const* call);

}  // namespace bench
