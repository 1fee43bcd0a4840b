// Forked children of a master and of a worker: they own nothing of cohort's, act in nobody's name,
// and hold nothing open. This program is its own worker.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <cohort/cohort.hpp>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/launch/support.h"

namespace launch_test {

using cohort::fn;

/// Forks in every place where a user's code can.
class Forker {
 public:
  int one() const { return 1; }
  int pid() const { return ::getpid(); }

  /// The child returns from here. How it ended, as a shell would say it.
  int fork_and_return(std::string how) {
    auto const child = ::fork();
    if (child == 0) {
      if (how == "throws") throw std::runtime_error("the child's own");
      if (how == "exits") std::exit(9);
      return -1;
    }
    return end_of(child);
  }
  int fork_and_return_while_writing(int n, cohort::Writer<int>& out) {
    out.write(0);
    auto const child = ::fork();
    if (child == 0) return -1;
    auto const end = end_of(child);
    for (int i = 1; i < n; ++i) out.write(i);
    return end;
  }
  void fork_in_a_callback(cohort::Stream<int> in) {
    std::move(in)
        .subscribe([this](int) {
          auto const child = ::fork();
          if (child != 0) ends_.push_back(end_of(child));
        })
        .detach();
  }
  void fork_one_way() {
    auto const child = ::fork();
    if (child != 0) ends_.push_back(end_of(child));
  }
  std::vector<int> ends() { return ends_; }
  /// That lives on, and has what this process has.
  int leave_a_child() {
    auto const child = ::fork();
    if (child == 0) sleep_for_long();
    return child;
  }
  int run_a_command() {
    int const code = std::system("exit 3");
    std::FILE* const pipe = ::popen("echo 4", "r");
    int number = 0;
    if (std::fscanf(pipe, "%d", &number) != 1) number = -1;
    ::pclose(pipe);
    auto const child = ::fork();
    if (child == 0) {
      ::execl("/bin/sh", "sh", "-c", "exit 5", nullptr);
      ::_exit(99);
    }
    return WEXITSTATUS(code) * 100 + number * 10 + end_of(child);
  }

  [[noreturn]] static void sleep_for_long() {
    for (;;) ::pause();
  }
  static int end_of(pid_t child) {
    int status = 0;
    bool const ended = eventually([&] { return ::waitpid(child, &status, WNOHANG) == child; });
    if (ended) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    ::kill(child, SIGKILL);
    ::waitpid(child, &status, 0);
    return -2;  // it hung
  }

  using Functions =
      cohort::FunctionList<&Forker::one, &Forker::pid, &Forker::fork_and_return,
                           &Forker::fork_and_return_while_writing, &Forker::fork_in_a_callback,
                           &Forker::fork_one_way, &Forker::ends, &Forker::leave_a_child,
                           &Forker::run_a_command>;

 private:
  std::vector<int> ends_;
};

constexpr auto& kForkers = cohort::app_types<Forker>;
constexpr int kEndedForReturning = 70;

/// A master whose child returns from it: prints what a call gives afterwards, and how that ended.
int return_from_master_in_a_child(cohort::Cluster& cluster) {
  auto const worker = cohort::spawn_one<Forker>(cluster, {});
  auto const under_way = worker.call(fn<&Forker::one>);
  auto const child = ::fork();
  if (child == 0) return 7;
  auto const end = Forker::end_of(child);
  std::printf("%d %d\n", worker.call(fn<&Forker::one>).get(), end);
  return 0;
}

/// Leaves a child that has what it has, and says so; its worker is no child of its own.
int leave_a_child_of_the_master(cohort::Cluster& cluster) {
  auto const worker = cohort::spawn_one<Forker>(cluster, {.wrap = {"sh", "-c", "\"$@\"; :", "sh"}});
  auto const child = ::fork();
  if (child == 0) Forker::sleep_for_long();
  std::printf("%d %d\n", worker.call(fn<&Forker::pid>).get(), static_cast<int>(child));
  std::fflush(stdout);
  Forker::sleep_for_long();
}

namespace {

class ForkedChild : public OverTransports {
 protected:
  /// What `act` returns in a forked child, which ends without what a process does at its exit.
  template <class Act>
  static int in_a_child(Act&& act) {
    auto const child = ::fork();
    if (child == 0) ::_exit(act());
    return Forker::end_of(child);
  }
  /// Whether the function throws as a forked child's calls do.
  template <class Function>
  static bool is_refused(Function&& function) {
    try {
      function();
    } catch (Error const& error) {
      return error.kind() == ErrorKind::kRefused &&
             std::string(error.what()).find("is a fork of") != std::string::npos;
    }
    return false;
  }
};
COHORT_OVER_TRANSPORTS(ForkedChild);

TEST_P(ForkedChild, DestroysWhatItHasOfItsParentsWithoutAnyEffect) {
  auto cluster = std::make_unique<cohort::Cluster>(kForkers, options());
  Failures failures;
  auto worker =
      std::optional(cohort::spawn_one<Forker>(*cluster, {.on_failure = failures.listener()}));
  auto served = std::optional(cohort::serve<Forker>(*cluster, {}));
  auto client = std::optional(cohort::connect(*cluster, worker->ref()));
  auto call = std::optional(worker->call(fn<&Forker::one>));
  auto open = std::optional(worker->open(fn<&Forker::fork_and_return_while_writing>, 3));
  auto subscription = std::optional(worker->log().subscribe([](cohort::LogRecord const&) {}));
  EXPECT_EQ(in_a_child([&] {
              subscription.reset();
              open.reset();
              call.reset();
              client.reset();
              served.reset();
              worker.reset();
              cluster.reset();
              return 3;
            }),
            3);
  EXPECT_EQ(call->get(), 1);
  EXPECT_EQ(open->result.get(), kEndedForReturning);
  std::vector<int> elements;
  for (int const element : open->output) elements.push_back(element);
  EXPECT_EQ(elements, (std::vector{0, 1, 2}));
  EXPECT_EQ(client->call(fn<&Forker::one>).get(), 1);
  EXPECT_EQ(served->call(fn<&Forker::one>).get(), 1);
  subscription->close();
  subscription->wait();
  EXPECT_EQ(cohort::spawn_one<Forker>(*cluster, {}).call(fn<&Forker::one>).get(), 1);
  worker.reset();
  client.reset();
  served.reset();
  cluster.reset();
  EXPECT_EQ(failures.count(), 0u);
}

TEST_P(ForkedChild, EndsThoughThreadsOfItsParentsHoldLocksForEver) {
  auto cluster = std::make_unique<cohort::Cluster>(kForkers, options());
  auto worker = std::optional(cohort::spawn_one<Forker>(*cluster, {}));
  std::atomic<bool> done{false};
  std::atomic<int> calls{0};
  {
    std::vector<std::jthread> callers;
    for (int i = 0; i < 3; ++i) {
      callers.emplace_back([&] {
        while (!done) {
          auto const open = worker->call(fn<&Forker::one>);
          open.wait();
          worker->log().close();
          ++calls;
        }
      });
    }
    for (int i = 0; i < 200 && !HasFailure(); ++i) {
      auto const before = calls.load();
      EXPECT_EQ(in_a_child([&] {
                  auto call = std::optional(worker->call(fn<&Forker::one>));
                  call.reset();
                  worker.reset();
                  cluster.reset();
                  return 3;
                }),
                3);
      EXPECT_TRUE(eventually([&] { return calls.load() != before; }));
    }
    done = true;
  }
  EXPECT_EQ(worker->call(fn<&Forker::one>).get(), 1);
}

TEST_P(ForkedChild, IsToldThatItIsOneByWhateverItCalls) {
  cohort::Cluster cluster(kForkers, options());
  auto const worker = cohort::spawn_one<Forker>(cluster, {});
  auto const client = cohort::connect(cluster, worker.ref());
  auto const ref = worker.ref();
  auto under_way = worker.open(fn<&Forker::fork_and_return_while_writing>, 2);
  EXPECT_EQ(
      in_a_child([&] {
        int wrong = 0;
        int place = 1;
        auto const expect = [&](bool right) {
          if (!right && wrong == 0) wrong = place;
          ++place;
        };
        expect(is_refused([&] { worker.call(fn<&Forker::one>).get(); }));
        expect(is_refused([&] { client.call(fn<&Forker::one>).get(); }));
        expect(is_refused([&] { worker.post(fn<&Forker::fork_one_way>); }));
        expect(is_refused([&] {
          static_cast<void>(worker.open(fn<&Forker::fork_and_return_while_writing>, 1));
        }));
        expect(is_refused([&] { under_way.output.next(); }));
        expect(is_refused([&] { under_way.result.get(); }));
        expect(is_refused([&] { worker.kill(); }));
        expect(is_refused([&] { worker.shut_down(); }));
        expect(is_refused([&] { static_cast<void>(worker.ref()); }));
        expect(is_refused([&] { worker.wait_until_ended(0s); }));
        expect(is_refused([&] { static_cast<void>(cohort::connect(cluster, ref)); }));
        expect(is_refused([&] { static_cast<void>(cohort::spawn_one<Forker>(cluster, {})); }));
        expect(is_refused([&] { static_cast<void>(cohort::serve<Forker>(cluster, {})); }));
        expect(!worker.alive());
        return wrong;
      }),
      0)
      << "which of the calls";
  EXPECT_EQ(worker.call(fn<&Forker::one>).get(), 1);
  EXPECT_EQ(under_way.result.get(), kEndedForReturning);
}

TEST_P(ForkedChild, MayMakeAClusterOfItsOwn) {
  if (kTsan) GTEST_SKIP() << "it starts no threads in a forked child";
  cohort::Cluster cluster(kForkers, options());
  auto const worker = cohort::spawn_one<Forker>(cluster, {});
  EXPECT_EQ(in_a_child([&] {
              cohort::Cluster own(kForkers, options());
              auto const its = cohort::spawn_one<Forker>(own, {});
              return its.call(fn<&Forker::one>).get() + 1;
            }),
            2);
  EXPECT_EQ(worker.call(fn<&Forker::one>).get(), 1);
}

TEST_P(ForkedChild, ThatReturnsFromAFunctionEndsAndItsParentAnswers) {
  cohort::Cluster cluster(kForkers, options());
  for (bool const in_this_process : {false, true}) {
    auto const worker = in_this_process ? cohort::serve<Forker>(cluster, {})
                                        : cohort::spawn_one<Forker>(cluster, {});
    for (auto const* how : {"returns", "throws"}) {
      EXPECT_EQ(worker.call(fn<&Forker::fork_and_return>, how).get(), kEndedForReturning);
    }
    EXPECT_EQ(worker.call(fn<&Forker::fork_and_return>, "exits").get(), 9);
    auto open = worker.open(fn<&Forker::fork_and_return_while_writing>, 100);
    std::vector<int> elements;
    for (int const element : open.output) elements.push_back(element);
    EXPECT_EQ(elements.size(), 100u);
    EXPECT_EQ(open.result.get(), kEndedForReturning);
    worker.post(fn<&Forker::fork_one_way>);
    EXPECT_EQ(worker.call(fn<&Forker::ends>).get(), std::vector{kEndedForReturning});
  }
}

TEST_P(ForkedChild, ThatReturnsFromACallbackEnds) {
  cohort::Cluster cluster(kForkers, options());
  auto const worker = cohort::spawn_one<Forker>(cluster, {});
  auto open = worker.open(fn<&Forker::fork_in_a_callback>);
  open.input.write(1);
  open.input.write(2);
  open.input.close();
  open.result.get();
  std::vector const expected{kEndedForReturning, kEndedForReturning};
  EXPECT_TRUE(eventually([&] { return worker.call(fn<&Forker::ends>).get() == expected; }));
}

TEST_P(ForkedChild, ThatRunsACommandIsLeftAlone) {
  cohort::Cluster cluster(kForkers, options());
  auto const worker = cohort::spawn_one<Forker>(cluster, {});
  EXPECT_EQ(worker.call(fn<&Forker::run_a_command>).get(), 345);
}

TEST_P(ForkedChild, OfAWorkerDoesNotHideItsEndFromItsClients) {
  auto patient = options();
  patient.settings.heartbeat_timeout = 1h;
  cohort::Cluster cluster(kForkers, patient);
  Failures failures;
  auto const worker = cohort::spawn_one<Forker>(
      cluster, {.on_failure = failures.listener(), .settings = patient.settings});
  auto const client = cohort::connect(cluster, worker.ref());
  auto const child = worker.call(fn<&Forker::leave_a_child>).get();
  worker.kill();
  EXPECT_TRUE(contains(failures.wait_for_first().what(), "SIGKILL"));
  EXPECT_TRUE(client.wait_until_ended(kBound));
  ::kill(child, SIGKILL);
}

TEST_P(ForkedChild, OfTheMasterDoesNotHideItsEndFromItsWorkers) {
  auto const transport = GetParam() == cohort::Transport::kTcp ? "tcp" : "unix";
  ChildProgram master({.arguments = {"--leave-a-child", transport},
                       .environment = {"COHORT_HEARTBEAT_TIMEOUT=3600000"}});
  EXPECT_TRUE(eventually([&] { return contains(master.out(), "\n") == true; })) << master.err();
  int worker = 0;
  int child = 0;
  ASSERT_EQ(std::sscanf(master.out().c_str(), "%d %d", &worker, &child), 2);
  ::kill(master.pid(), SIGKILL);
  EXPECT_TRUE(eventually([&] { return is_gone(worker); }));
  EXPECT_FALSE(is_gone(child)) << "it was to hold the master's sockets open";
  ::kill(child, SIGKILL);
  ::kill(worker, SIGKILL);
}

TEST_P(ForkedChild, ThatReturnsFromMasterEndsAsItSaysAndLeavesTheWorkersToItsParent) {
  auto const transport = GetParam() == cohort::Transport::kTcp ? "tcp" : "unix";
  ChildProgram master({.arguments = {"--return-from-master", transport}});
  EXPECT_EQ(master.wait(), 0);
  EXPECT_EQ(master.out(), "1 7\n") << master.err();
}

}  // namespace
}  // namespace launch_test

int main(int argc, char** argv) {
  using namespace launch_test;
  if (cohort::is_worker_process()) return cohort::run_worker(kForkers);
  std::string_view const how = argc == 3 ? argv[1] : "";
  bool const returns = how == "--return-from-master";
  if (returns || how == "--leave-a-child") {
    return cohort::run_master(
        kForkers, {.transport = cohort::parse_transport(argv[2])},
        returns ? &return_from_master_in_a_child : &leave_a_child_of_the_master);
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
