#include "tests/launch/main.h"

#include <cstdio>
#include <exception>
#include <string>

#include <gtest/gtest.h>

#include "tests/launch/workers.h"

namespace launch_test {

int run_test_program(int argc, char** argv, std::span<Scenario const> scenarios) {
  if (cohort::is_worker_process()) return cohort::run_worker(kTypes);
  if (argc > 2 && std::string_view(argv[1]) == "--scenario") {
    for (auto const& scenario : scenarios) {
      if (scenario.name != argv[2]) continue;
      try {
        return scenario.run(std::span(argv, static_cast<std::size_t>(argc)).subspan(3));
      } catch (std::exception const& error) {
        std::fprintf(stderr, "scenario %s: %s\n", argv[2], error.what());
        return 99;
      }
    }
    return 98;
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

}  // namespace launch_test
