// The scenarios of launch_test, each beside the tests that start it.
#pragma once

#include <span>

namespace launch_test {

int work_without_standard_descriptors(std::span<char* const> arguments);
int work_while_ignoring_children(std::span<char* const> arguments);

}  // namespace launch_test
