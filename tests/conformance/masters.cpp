#include "tests/conformance/masters.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <string_view>

#include "tests/conformance/conformance.h"

namespace conformance {
namespace {

struct Master {
  std::string_view name;
  int (*run)(Place const& place, std::span<char* const> arguments);
};
constexpr std::array kMasters{Master{"without_executable", &work_without_executable},
                              Master{"waiting", &wait_for_the_end}};

}  // namespace

std::optional<int> run_as_master(std::span<char* const> arguments) {
  if (arguments.size() < 4 || std::string_view(arguments[1]) != "--master") return std::nullopt;
  auto const known = places();
  auto const master = std::find_if(kMasters.begin(), kMasters.end(),
                                   [&](auto const& each) { return each.name == arguments[2]; });
  auto const place = std::find_if(known.begin(), known.end(), [&](auto const& each) {
    return std::string_view(each.name) == arguments[3];
  });
  if (master == kMasters.end() || place == known.end()) return 98;
  try {
    return master->run(*place, arguments.subspan(4));
  } catch (std::exception const& error) {
    std::fprintf(stderr, "master %s: %s\n", arguments[2], error.what());
    return 99;
  }
}

launch_test::ChildProgram::Options master_at(Place const& place, std::string const& name,
                                             std::vector<std::string> arguments,
                                             std::filesystem::path const& executable) {
  arguments.insert(arguments.begin(), {"--master", name, place.name});
  if (place.options.launcher != cohort::Launcher::kRanks) {
    return {.executable = executable, .arguments = std::move(arguments), .outside_of_mpi = true};
  }
  arguments.insert(arguments.begin(), {"4", executable.string()});
  return {.executable = COHORT_ON_RANKS, .arguments = std::move(arguments), .outside_of_mpi = true};
}

}  // namespace conformance
