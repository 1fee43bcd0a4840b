// Which executable may be a master's worker: one of the same build, by its build id or, without
// one, by its content.
#include <filesystem>
#include <string>

#include "launch/executable_identity.h"
#include "tests/launch/support.h"

namespace launch_test {
namespace {

class Build : public OverTransports {
 protected:
  static std::filesystem::path program(std::string const& layout) {
    return this_executable().parent_path() / ("launch_layout_" + layout);
  }
  /// What a master says of a worker's executable.
  std::string master_with(std::filesystem::path const& master,
                          std::filesystem::path const& worker) const {
    auto const transport = GetParam() == cohort::Transport::kTcp ? "tcp" : "unix";
    ChildProgram program({.executable = master, .arguments = {worker, transport}});
    EXPECT_EQ(program.wait(), 0);
    return program.out() + program.err();
  }
};
COHORT_OVER_TRANSPORTS(Build);

TEST_P(Build, WithoutABuildIdIsTheSameWhereItsContentIs) {
  TempDir const dir;
  std::filesystem::copy_file(program("one"), dir / "a copy");
  EXPECT_EQ(master_with(program("one"), program("one")), "3\n");
  EXPECT_EQ(master_with(program("one"), dir / "a copy"), "3\n");
}

TEST_P(Build, WithoutABuildIdIsAnotherWhereAStructuresFieldsAreSwapped) {
  for (auto const& [master, worker] : {std::pair("one", "other"), {"other", "one"}}) {
    auto const said = master_with(program(master), program(worker));
    EXPECT_TRUE(contains(said, "refused")) << said;
    EXPECT_TRUE(contains(said, "the functions are the same, but it is another build"));
    EXPECT_TRUE(contains(said, "(it has no build id), here executable "));
  }
}

TEST_P(Build, IsAnotherWhereOneOfTheTwoHasABuildId) {
  EXPECT_EQ(master_with(program("identified"), program("identified")), "3\n");
  auto const of_worker = master_with(program("one"), program("identified"));
  EXPECT_TRUE(contains(of_worker, "another build of the program (build "));
  EXPECT_TRUE(contains(of_worker, "here executable "));
  auto const of_master = master_with(program("identified"), program("one"));
  EXPECT_TRUE(contains(of_master, "another build of the program (executable "));
  EXPECT_TRUE(contains(of_master, "here build "));
}

TEST(ExecutableIdentity, IsTheBuildIdOfThisProgram) {
  auto const& identity = cohort::executable_identity();
  EXPECT_TRUE(identity.starts_with("build ")) << identity;
  EXPECT_EQ(&identity, &cohort::executable_identity()) << "read once";
}

}  // namespace
}  // namespace launch_test
