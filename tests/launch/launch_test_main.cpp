#include <array>

#include "tests/launch/main.h"
#include "tests/launch/scenarios.h"

int main(int argc, char** argv) {
  using launch_test::Scenario;
  constexpr std::array<Scenario, 2> kScenarios{
      Scenario{"closed", &launch_test::work_without_standard_descriptors},
      Scenario{"ignoring", &launch_test::work_while_ignoring_children}};
  return launch_test::run_test_program(argc, argv, kScenarios);
}
