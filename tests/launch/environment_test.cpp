// What the master's process may be like where it starts its workers itself.
#include <csignal>
#include <cstdio>
#include <filesystem>

#include <sys/resource.h>
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

TEST_P(Environment, MayHaveNoDescriptorLeftWhichASpawnThenSays) {
  auto const before = Holdings::now();
  {
    cohort::Cluster cluster(kTypes, options());
    rlimit usual{};
    ::getrlimit(RLIMIT_NOFILE, &usual);
    rlimit const tight{before.descriptors.size() + 30, usual.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &tight);
    auto const error =
        error_of([&] { static_cast<void>(spawn<Calculator>(cluster, {.count = 40})); });
    ::setrlimit(RLIMIT_NOFILE, &usual);
    EXPECT_EQ(error.kind(), ErrorKind::kRefused);
    EXPECT_TRUE(contains(error.reason(), "Too many open files"));
    EXPECT_TRUE(Holdings::now().children.empty());
    EXPECT_EQ(spawn_one<Calculator>(cluster, {}).call(fn<&Calculator::add>, 1, 2).get(), 3);
  }
  EXPECT_TRUE(nothing_is_left(before));
}

COHORT_OVER_TRANSPORTS(Environment);

}  // namespace
}  // namespace launch_test
