#include <cstdlib>

#include <gtest/gtest.h>

#include "launch/ranks.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/masters.h"

int main(int argc, char** argv) {
  ::setenv("COHORT_LOG", "error", 0);  // strangers are turned away by the thousand here
  if (cohort::is_worker_process()) return cohort::run_worker(conformance::kTypes);
  for (auto const& place : conformance::places()) cohort::run_as_rank(place.options);
  if (auto const code = conformance::run_as_master({argv, static_cast<std::size_t>(argc)})) {
    return *code;
  }

  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
