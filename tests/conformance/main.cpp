#include <gtest/gtest.h>

#include "tests/conformance/workers.h"

int main(int argc, char** argv) {
  if (cohort::is_worker_process()) return cohort::run_worker(conformance::kTypes);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
