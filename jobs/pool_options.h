// What a user may choose about a Pool.
#pragma once

#include <chrono>
#include <cstdint>

#include "launch/options.h"

namespace cohort {

/// How a Pool is made up.
struct PoolOptions {
  /// The workers, also those that replace others; `count` 0 takes the cluster's number. on_failure
  /// hears of each that is lost.
  SpawnOptions spawn{};
  /// Tasks on their way to each worker or in it, at least 1: more than one hides the latency
  /// between them.
  std::uint32_t in_flight = 2;
  /// A task that had this many workers lost under it is given up with the last loss as its error.
  std::uint32_t losses_to_give_up = 3;
  /// A worker that cannot be started is tried again while there is work: the first time after this
  /// time, at least 1 ms.
  std::chrono::milliseconds first_retry{100};
  /// The time doubles with each failure, up to this one. Each wait is shortened by up to a half, at
  /// random, so that what failed together does not try again together.
  std::chrono::milliseconds longest_retry{10'000};
  /// How long an operation waits while no worker works and none can be started; then it throws why
  /// the last start failed. 0: it throws at the first failure.
  std::chrono::milliseconds give_up_after{60'000};
};

/// @cond of cohort itself
/// Throws std::invalid_argument that says what is wrong with them.
void check(PoolOptions const& options);
/// @endcond

}  // namespace cohort
