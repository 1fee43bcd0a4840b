// The smallest cohort program, as a worker of bench_spawn and bench_memory.
#include <cstdio>

#include "bench/answerer.h"
#include "launch/worker_main.h"

int main() {
  if (cohort::is_worker_process()) return cohort::run_worker(cohort::app_types<bench::Answerer>);
  std::fputs("bench_worker: bench_spawn and bench_memory start this program\n", stderr);
  return 2;
}
