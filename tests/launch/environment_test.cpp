// What the master's process may be like, and what it keeps: descriptors, children, secrets.
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <filesystem>

#include <sys/wait.h>
#include <unistd.h>

#include "launch/log.h"
#include "tests/launch/scenarios.h"
#include "tests/launch/support.h"
#include "tests/launch/workers.h"

namespace launch_test {
namespace {

using cohort::fn;
using cohort::spawn;
using cohort::spawn_one;

/// Two workers answer; true where they do.
bool two_workers_answer(cohort::Cluster& cluster) {
  for (auto const& worker : spawn<Calculator>(cluster, {.count = 2})) {
    if (worker.call(fn<&Calculator::add>, 1, 2).get() != 3) return false;
  }
  return true;
}

cohort::ClusterOptions options_for(std::span<char* const> arguments) {
  return {.transport = cohort::parse_transport(arguments[0])};
}

}  // namespace

int work_after_unlinking(std::span<char* const> arguments) {
  std::filesystem::remove(this_executable());
  cohort::Cluster cluster(kTypes, options_for(arguments));
  return two_workers_answer(cluster) ? 0 : 1;
}

/// Writes how it went into a file. Both sides print meanwhile: that must hit no socket.
int work_without_standard_descriptors(std::span<char* const> arguments) {
  bool good = true;
  {
    cohort::Cluster cluster(kTypes, options_for(arguments));
    good = two_workers_answer(cluster);
    auto const worker = spawn_one<Saboteur>(cluster, {});
    for (int i = 0; i < 100; ++i) {
      worker.call(fn<&Saboteur::print>, "to out\n", "to err\n").get();
      [[maybe_unused]] auto const to_out = ::write(STDOUT_FILENO, "noise", 5);
      cohort::log(cohort::LogLevel::kError, "noise");
      good = good && worker.call(fn<&Saboteur::add>, i, i).get() == 2 * i;
    }
  }
  write_file(arguments[1], good ? "good" : "bad");
  return 0;
}

int work_while_ignoring_children(std::span<char* const> arguments) {
  std::signal(SIGCHLD, SIG_IGN);
  Failures failures;
  {
    cohort::Cluster cluster(kTypes, options_for(arguments));
    if (!two_workers_answer(cluster)) return 1;
    auto const worker = spawn_one<Saboteur>(cluster, {.on_failure = failures.listener()});
    auto blocked = worker.call(fn<&Saboteur::block>);
    ::kill(worker.pid(), SIGKILL);
    auto const error = error_of([&] { blocked.get(); });
    if (error.kind() != ErrorKind::kDisconnected) return 2;
    if (!worker.wait_until_ended(kBound)) return 3;
    for (int i = 0; i < 20; ++i) {  // ends, and is reaped, while it is being started
      auto const failed = error_of(
          [&] { static_cast<void>(spawn_one<Calculator>(cluster, {.executable = "/bin/true"})); });
      if (failed.kind() != ErrorKind::kDisconnected && failed.kind() != ErrorKind::kRefused) {
        return 4;
      }
    }
    if (!two_workers_answer(cluster)) return 5;
  }
  return failures.count() == 1 ? 0 : 6;
}

namespace {

class Environment : public OverTransports {
 protected:
  [[nodiscard]] std::string transport() const {
    return GetParam() == cohort::Transport::kUnix ? "unix" : "tcp";
  }
};

TEST_P(Environment, MayLoseTheRunningExecutable) {
  TempDir dir;
  auto options = scenario("unlinked", {transport()});
  options.executable = dir / "copy";
  std::filesystem::copy_file(this_executable(), options.executable);
  ChildProgram master(options);
  EXPECT_EQ(master.wait(), 0) << master.err();
  EXPECT_FALSE(std::filesystem::exists(options.executable));
}

TEST_P(Environment, MayHaveNoStandardDescriptors) {
  TempDir dir;
  auto options = scenario("closed", {transport(), (dir / "result").string()});
  options.close_standard_descriptors = true;
  ChildProgram master(options);
  EXPECT_EQ(master.wait(), 0);
  EXPECT_EQ(read_file(dir / "result"), "good");
}

TEST_P(Environment, MayIgnoreSigchld) {
  ChildProgram master(scenario("ignoring", {transport()}));
  EXPECT_EQ(master.wait(), 0) << master.err();
}

TEST_P(Environment, KeepsNoDescriptorAndNoZombieOver200Spawns) {
  auto const before = Holdings::now();
  {
    cohort::Cluster cluster(kTypes, options());
    auto const with_cluster = Holdings::now();
    for (int i = 0; i < (kAsan || kTsan ? 10 : 50); ++i) {
      auto const workers = spawn<Calculator>(cluster, {.count = 4});
      EXPECT_EQ(workers[3].call(fn<&Calculator::add>, i, 1).get(), i + 1);
      workers[0].kill();
    }
    EXPECT_TRUE(nothing_is_left(with_cluster));
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
    EXPECT_EQ(errno, ECHILD);
  }
  EXPECT_TRUE(nothing_is_left(before));
}

TEST_P(Environment, ShowsNoSecretInArgumentsAndVariablesOfTheWorker) {
  cohort::Cluster cluster(kTypes, options());
  auto const worker = spawn_one<Calculator>(cluster, {});
  auto const process = "/proc/" + std::to_string(worker.pid());
  auto const arguments = read_file(process + "/cmdline");
  EXPECT_TRUE(contains(arguments, "--cohort-worker=1"));
  auto const variables = read_file(process + "/environ");
  auto const at = variables.find("COHORT_WORKER=");
  ASSERT_NE(at, variables.npos);
  // Two numbers; 256 bits take at least 32 bytes, however they are written.
  auto const value = variables.substr(at + 14, variables.find('\0', at) - at - 14);
  EXPECT_LT(value.size(), 20U);
  EXPECT_EQ(value.find_first_not_of("0123456789:"), value.npos) << value;
  EXPECT_LT(arguments.size(), this_executable().string().size() + 40);
}

TEST_P(Environment, GivesAWorkerNoDescriptorOfTheMasterButItsConnection) {
  cohort::Cluster cluster(kTypes, options());
  auto const others = spawn<Calculator>(cluster, {.count = 3});
  auto const worker = spawn_one<Calculator>(cluster, {});
  std::size_t sockets = 0;
  for (auto const& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(worker.pid()) + "/fd")) {
    std::error_code gone;
    auto const target = std::filesystem::read_symlink(entry.path(), gone).string();
    sockets += target.starts_with("socket:") ? 1 : 0;
    EXPECT_FALSE(target.find("pidfd") != target.npos) << target;
  }
  EXPECT_EQ(sockets, 1U);
}

COHORT_OVER_TRANSPORTS(Environment);

}  // namespace
}  // namespace launch_test
