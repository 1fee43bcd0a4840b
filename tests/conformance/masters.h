// What a child of a test does as a master of its own, at one of the places: this program once more,
// run as `--master NAME PLACE ARGUMENTS...` (under mpirun where the place is the ranks of a job).
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tests/launch/support.h"

namespace conformance {

struct Place;

/// Loses its executable: "deleted" or "replaced" by another program. 0 where workers still start.
int work_without_executable(Place const& place, std::span<char* const> arguments);
/// Waits for its end with three workers. Arguments: what these do meanwhile, and a folder, where it
/// leaves its pid in the file "master", and the file "ready" once they do that.
int wait_for_the_end(Place const& place, std::span<char* const> arguments);

/// What main has to do; nothing where this is no such child.
[[nodiscard]] std::optional<int> run_as_master(std::span<char* const> arguments);

[[nodiscard]] launch_test::ChildProgram::Options master_at(
    Place const& place, std::string const& name, std::vector<std::string> arguments,
    std::filesystem::path const& executable = launch_test::this_executable());

}  // namespace conformance
