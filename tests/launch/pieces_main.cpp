#include <cstdlib>

#include "tests/launch/main.h"

int main(int argc, char** argv) {
  ::setenv("COHORT_LOG", "error", 0);  // hundreds of strangers are turned away here
  return launch_test::run_test_program(argc, argv, {});
}
