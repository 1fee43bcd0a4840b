// What the executable and the master's process may be like, and what a worker is not to see of it.
#include <filesystem>
#include <string_view>

#include "tests/conformance/conformance.h"
#include "tests/conformance/masters.h"

namespace conformance {

int work_without_executable(Place const& place, std::span<char* const> arguments) {
  auto const executable = launch_test::this_executable();
  cohort::Cluster cluster(kTypes, place.options);  // on ranks: these are there by now
  std::filesystem::remove(executable);
  if (std::string_view(arguments[0]) == "replaced") {
    std::filesystem::copy_file("/bin/true", executable);
  }
  auto const workers = cohort::spawn<Everything>(cluster, {.count = 4}, 1);
  auto const right = [](auto const& worker) {
    return worker.call(fn<&Everything::add>, 1, 1).get() == 3;
  };
  return std::all_of(workers.begin(), workers.end(), right) ? 0 : 1;
}

namespace {

namespace fs = std::filesystem;

class Environment : public ProcessConformance {
 protected:
  /// Has a copy of this program run as a master that loses its executable meanwhile.
  fs::path run_without_executable(std::string const& how) {
    auto const copy = dir / "copy";
    fs::copy_file(launch_test::this_executable(), copy);
    launch_test::ChildProgram master(master_at(GetParam(), "without_executable", {how}, copy));
    EXPECT_EQ(master.wait(), 0) << master.err();
    return copy;
  }
  static std::string file_of(pid_t pid, std::string const& name) {
    return launch_test::read_file("/proc/" + std::to_string(pid) + '/' + name);
  }
  /// "socket:[123]" and the like.
  static std::vector<std::string> targets_of_descriptors(std::string const& process) {
    std::vector<std::string> targets;
    for (auto const& entry : fs::directory_iterator("/proc/" + process + "/fd")) {
      std::error_code gone;
      targets.push_back(fs::read_symlink(entry.path(), gone).string());
    }
    return targets;
  }
  static bool is_socket(std::string const& target) { return target.starts_with("socket:"); }

  TempDir const dir;
};
COHORT_EACH_PROCESS_PLACE(Environment);

TEST_P(Environment, MayLoseTheRunningExecutable) {
  EXPECT_FALSE(fs::exists(run_without_executable("deleted")));
}

TEST_P(Environment, MayHaveAnotherFileInPlaceOfTheRunningExecutable) {
  EXPECT_EQ(fs::file_size(run_without_executable("replaced")), fs::file_size("/bin/true"));
}

TEST_P(Environment, ShowsNoSecretInArgumentsAndVariablesOfTheWorker) {
  auto const worker = start();
  auto const bytes = cluster().runtime()->secret.bytes();
  std::string raw(reinterpret_cast<char const*>(bytes.data()), bytes.size());
  std::string hex;
  for (char const each : raw) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned char>(each));
    hex += digits;
  }
  auto const arguments = file_of(worker.pid(), "cmdline");
  auto const variables = file_of(worker.pid(), "environ");
  for (auto const& text : {arguments, variables}) {
    EXPECT_EQ(text.find(raw), text.npos);
    EXPECT_EQ(text.find(hex), text.npos);
  }
  EXPECT_TRUE(contains(arguments, on_ranks() ? "--cohort-rank=" : "--cohort-worker=1"));
  auto const at = variables.find("COHORT_WORKER=");
  ASSERT_NE(at, variables.npos);
  // Two numbers; 256 bits take at least 32 bytes, however they are written.
  auto const value = variables.substr(at + 14, variables.find('\0', at) - at - 14);
  EXPECT_LT(value.size(), on_ranks() ? 26u : 20u);
  EXPECT_EQ(value.find_first_not_of("0123456789:"),
            on_ranks() ? value.find(":waits") + 1 : value.npos)
      << value;
}

TEST_P(Environment, GivesAWorkerNoDescriptorOfTheMasterButItsConnection) {
  auto const others = cohort::spawn<Everything>(cluster(), {.count = 2}, 0);
  auto const worker = start();
  auto const its_own = targets_of_descriptors(std::to_string(worker.pid()));
  auto const masters = targets_of_descriptors("self");
  for (auto const& target : its_own) {
    EXPECT_EQ(target.find("pidfd"), target.npos) << target;
    if (!is_socket(target)) continue;
    EXPECT_EQ(std::count(masters.begin(), masters.end(), target), 0) << target;
  }
  if (!over_mpi()) {  // which has more of its own
    EXPECT_EQ(std::count_if(its_own.begin(), its_own.end(), &is_socket), 1);
  }
}

}  // namespace
}  // namespace conformance
