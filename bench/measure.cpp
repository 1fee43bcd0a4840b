#include "bench/measure.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace bench {

void register_in_turn(std::string const& work, Plan const& plan, Body const& raw,
                      Body const& cohort) {
  auto const add = [&](char const* who, Body const& body, int repetition) {
    auto const name = work + '/' + who + "/rep:" + std::to_string(repetition);
    benchmark::RegisterBenchmark(name.c_str(), body)
        ->Iterations(plan.iterations)
        ->UseManualTime()
        ->Unit(benchmark::kMicrosecond);
  };
  for (int repetition = 0; repetition < plan.repetitions; ++repetition) {
    add("raw", raw, repetition);
    add("cohort", cohort, repetition);
  }
}

int run_registered(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}

double Samples::percentile(double share) {
  auto const place = static_cast<std::ptrdiff_t>(share * static_cast<double>(seconds_.size() - 1));
  std::nth_element(seconds_.begin(), seconds_.begin() + place, seconds_.end());
  return seconds_[static_cast<std::size_t>(place)];
}

std::string sibling_program(std::string const& name) {
  return std::filesystem::read_symlink("/proc/self/exe").replace_filename(name).string();
}

int must(int result, char const* call) {
  if (result >= 0) return result;
  std::perror(call);
  std::exit(EXIT_FAILURE);
}

}  // namespace bench
