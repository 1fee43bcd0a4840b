#include "jobs/pool_options.h"

#include <stdexcept>

namespace cohort {

using std::chrono::milliseconds;

void check(PoolOptions const& options) {
  if (options.in_flight == 0) {
    throw std::invalid_argument(
        "cohort: PoolOptions::in_flight is 0: with no task on its way to a worker, none runs");
  }
  if (options.first_retry < milliseconds(1) || options.longest_retry < options.first_retry) {
    throw std::invalid_argument(
        "cohort: PoolOptions::first_retry must be 1 ms at least, and longest_retry no shorter");
  }
  if (options.give_up_after < milliseconds(0)) {
    throw std::invalid_argument(
        "cohort: PoolOptions::give_up_after is negative: 0 gives up at the first failure");
  }
}

}  // namespace cohort
