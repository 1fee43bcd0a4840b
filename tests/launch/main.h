// The main function of a test program that is a program of cohort too.
#pragma once

#include <span>
#include <string_view>

namespace launch_test {

/// What a child of the test does as a master of its own, instead of running tests.
struct Scenario {
  std::string_view name;
  int (*run)(std::span<char* const> arguments);
};

/// A worker, one of the scenarios (`--scenario NAME ...`), or the tests.
[[nodiscard]] int run_test_program(int argc, char** argv, std::span<Scenario const> scenarios);

}  // namespace launch_test
