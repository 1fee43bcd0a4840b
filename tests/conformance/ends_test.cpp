// The end of a worker's process where it does not come, or where somebody else takes notice of it.
#include <atomic>
#include <csignal>
#include <optional>

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/conformance/conformance.h"

namespace {
std::atomic<bool> kill_in_vain{false};
}  // namespace

/// Instead of the C library's, in the whole program: a worker that nobody can kill, as one is that
/// waits in the kernel for a dead file system.
extern "C" int pidfd_send_signal(int pidfd, int signal, siginfo_t* info, unsigned flags) {
  if (signal == SIGKILL && kill_in_vain.load()) return 0;
  return static_cast<int>(::syscall(SYS_pidfd_send_signal, pidfd, signal, info, flags));
}

namespace conformance {
namespace {

class End : public ProcessConformance {
 protected:
  End() {
    options.settings.shutdown_timeout = 100ms;
    options.settings.heartbeat_timeout = 1h;  // it is not the one to notice
  }
  ~End() override {
    kill_in_vain.store(false);
    for (auto const pid : stopped_) ::kill(pid, SIGKILL);
    for (auto const pid : stopped_) {
      EXPECT_TRUE(eventually([&] { return is_gone(pid); })) << "a zombie, or not reaped";
    }
  }
  /// From now on it does nothing, and does not end.
  void freeze(Worker<Everything> const& worker) {
    kill_in_vain.store(true);
    stopped_.push_back(worker.pid());
    ::kill(worker.pid(), SIGSTOP);
  }

 private:
  std::vector<pid_t> stopped_;
};
COHORT_EACH_PROCESS_PLACE(End);

TEST_P(End, ThatDoesNotComeThoughItWasKilledIsToldAndTheHandleMayOutliveTheCluster) {
  if (on_ranks()) GTEST_SKIP() << "mpirun would wait for it";
  auto worker = std::optional(start());
  auto call = worker->call(fn<&Everything::add>, 1, 1);
  call.get();
  freeze(*worker);
  worker->kill();
  auto const told = failures.wait_for_first();
  EXPECT_EQ(told.kind(), ErrorKind::kDisconnected);
  EXPECT_TRUE(contains(told.what(), "does not end"));
  EXPECT_EQ(told.where().pid, worker->pid());
  EXPECT_TRUE(worker->wait_until_ended(kBound));
  EXPECT_EQ(times_told(), 1u);
  EXPECT_FALSE(worker->alive());
  worker->kill();
  worker->shut_down();
  worker.reset();
}

TEST_P(End, ThatDoesNotComeWithTheClusterIsToldBeforeThatIsGone) {
  if (on_ranks()) GTEST_SKIP() << "mpirun would wait for it";
  auto first = std::optional(start());
  auto second = std::optional(start());
  freeze(*first);
  freeze(*second);
  first->shut_down();
  EXPECT_EQ(times_told(), 2u) << "once each: asked to end by a call, and by the cluster";
  EXPECT_FALSE(first->alive());
  EXPECT_FALSE(second->alive());
  second->kill();
}

TEST_P(End, IsKnownOrSaidToBeUnknownWhereTheProgramIgnoresItsChildren) {
  std::signal(SIGCHLD, SIG_IGN);
  auto const worker = start();
  ::kill(worker.pid(), SIGKILL);
  auto const told = failures.wait_for_first();
  std::signal(SIGCHLD, SIG_DFL);
  ASSERT_TRUE(told.exit());
  if (told.exit()->signal != SIGKILL) {
    EXPECT_TRUE(contains(told.what(), "how it ended is unknown: this program ignores SIGCHLD"));
  }
  EXPECT_TRUE(worker.wait_until_ended(kBound));
}

TEST_P(End, IsKnownOrSaidToBeUnknownWhereTheProgramWaitsForAnyChild) {
  std::atomic<bool> done{false};
  std::jthread const reaper([&] {
    while (!done) {
      if (::waitpid(-1, nullptr, WNOHANG) <= 0) std::this_thread::yield();
    }
  });
  for (int i = 0; i < 5; ++i) {
    Failures told;
    auto const worker =
        cohort::spawn_one<Everything>(cluster(), {.on_failure = told.listener()}, 0);
    ::kill(worker.pid(), SIGKILL);
    auto const error = told.wait_for_first();
    ASSERT_TRUE(error.exit());
    if (error.exit()->signal != SIGKILL) {
      EXPECT_TRUE(contains(error.what(), "how it ended is unknown: something else in this"));
    }
  }
  done = true;
}

TEST_P(End, OfAForkedChildOfTheMasterIsNotThatOfItsWorkers) {
  auto worker = std::optional(start());
  auto const child = ::fork();
  if (child == 0) {
    bool const refused = error_of([&] { worker->call(fn<&Everything::add>, 1, 1).get(); }).kind() ==
                         ErrorKind::kRefused;
    worker.reset();
    end_cluster();
    ::_exit(refused ? 3 : 4);
  }
  int status = 0;
  bool const ended = eventually([&] { return ::waitpid(child, &status, WNOHANG) == child; });
  EXPECT_TRUE(ended) << "it hangs";
  if (!ended) ::kill(child, SIGKILL);
  EXPECT_EQ(WEXITSTATUS(status), 3);
  EXPECT_EQ(worker->call(fn<&Everything::add>, 1, 1).get(), 2);
  EXPECT_EQ(start().call(fn<&Everything::add>, 1, 1).get(), 2);
  EXPECT_EQ(times_told(), 0u);
}

}  // namespace
}  // namespace conformance
