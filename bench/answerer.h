// The worker that bench_spawn and bench_memory start; they and bench_worker must agree on it.
#pragma once

#include <cstdint>

#include "core/function.h"

namespace bench {

class Answerer {
 public:
  std::int64_t answer(std::int64_t x) { return x; }
  using Functions = cohort::FunctionList<&Answerer::answer>;
};

}  // namespace bench
