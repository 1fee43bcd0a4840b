// L2 on cohort's side: a sliding window of calls, whatever they travel over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "bench/measure.h"
#include "launch/worker.h"

namespace bench {

/// Calls Member, which adds one to its argument, with 0, 1, ... and checks every answer.
template <auto Member, class W>
void pipeline(cohort::Worker<W> const& worker, std::int64_t window, std::int64_t calls) {
  std::vector<cohort::Future<std::int64_t>> futures(static_cast<std::size_t>(window));
  for (std::int64_t x = 0; x < calls + window; ++x) {
    auto& future = futures[static_cast<std::size_t>(x % window)];
    if (x >= window) demand(future.get() == x - window + 1);
    if (x < calls) future = worker.call(cohort::fn<Member>, x);
  }
}

}  // namespace bench
