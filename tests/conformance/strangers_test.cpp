// Strangers at a worker's own listener, while calls on the worker go on undisturbed.
#include "tests/support/strangers.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/frame.h"
#include "launch/runtime.h"
#include "launch/server.h"
#include "tests/conformance/conformance.h"

namespace conformance {
namespace {

using cohort::FrameKind;
using cohort::test::bytes_of;
using cohort::test::connections_refused_in;
using cohort::test::hello_bytes;
using cohort::test::Stranger;
using launch_test::kSanitized;
using launch_test::read_file;

constexpr auto kHandshakeTimeout = 1500ms;

/// A line of /proc/PID/status, in KiB.
long status_kib(int pid, std::string const& name) {
  std::istringstream status(read_file("/proc/" + std::to_string(pid) + "/status"));
  for (std::string word; status >> word;) {
    long kib = 0;
    if (word == name + ':' && status >> kib) return kib;
  }
  ADD_FAILURE() << "process " << pid << " has no " << name;
  return 0;
}

/// A header that announces so many bytes.
std::string call_of_length(std::uint64_t length) {
  return bytes_of(
      {.kind = FrameKind::kCall, .function = {}, .call = cohort::CallId{1}, .length = length});
}

/// For the worker's settings, to nobody.
std::string call_without_answer() {
  return bytes_of({.kind = FrameKind::kCall,
                   .flags = cohort::frame_flags::kOneWay,
                   .function = cohort::kBuiltin<&cohort::Server::settings>});
}

class Strangers : public Conformance {
 protected:
  Strangers() {
    options.settings.handshake_timeout = kHandshakeTimeout;
    rlimit limit{};  // two thousand descriptors, where worker and strangers share a process
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }

  void TearDown() override {
    if (!worker_) return;
    goes_on();
    if (open_) {
      EXPECT_EQ(enter(), 3) << "a new client";
    }
    calling_ = {};
    EXPECT_EQ(wrong_answers_, 0);
    // All of them, where they waited for strangers; one or two, where the machine is busy.
    if (!kSanitized) {
      EXPECT_LE(slow_answers_, 2);
    }
    worker_->call(fn<&Everything::write_to_kept>, "still open").get();
    EXPECT_EQ(kept_.next(), "still open");
    expect_flat_memory();
    EXPECT_TRUE(worker_->alive());
    EXPECT_EQ(failures.count(), 0u);
  }

  /// A worker that is called all the time, and has a stream open.
  void start_calls(SpawnOptions how = {}) {
    worker_ = std::make_unique<Worker<Everything>>(start_with<Everything>(std::move(how), 0));
    endpoint_ = worker_->ref().address.endpoint;
    warnings_ = worker_->log(cohort::LogLevel::kWarning, 100'000);
    auto kept = worker_->open(fn<&Everything::keep>);
    kept.result.get();
    kept_ = std::move(kept.output);
    EXPECT_EQ(enter(), 3);
    peak_kib_ = status_kib(worker_->pid(), "VmHWM");
    calling_ = std::jthread([this](std::stop_token stop) { call_until(stop); });
  }
  void goes_on() {
    auto const before = answers_.load();
    EXPECT_TRUE(eventually([&] { return answers_ > before + 10; })) << "the calls stand still";
  }
  /// As a client that is welcome.
  int enter() {
    return cohort::connect(cluster(), worker_->ref(), "guest")
        .call(fn<&Everything::add>, 1, 2)
        .get();
  }
  void expect_flat_memory() const {
    if (kSanitized) return;
    EXPECT_LT(status_kib(worker_->pid(), "VmHWM") - peak_kib_, 4 * 1024);
  }

  [[nodiscard]] Stranger stranger() const { return Stranger(endpoint_); }
  /// One that knows the secret and runs the same program.
  [[nodiscard]] Stranger friendly_stranger() {
    auto friendly = stranger();
    friendly.shake_hands(cluster().runtime()->secret, cluster().runtime()->description);
    return friendly;
  }
  /// The text of the worker's next warning.
  std::string warning() {
    if (!warnings_.wait_for(kBound)) return "(no warning)";
    auto const record = warnings_.next();
    EXPECT_EQ(record->pid, worker_->pid());
    return record->text;
  }

  void call_until(std::stop_token const& stop) {
    try {
      for (int i = 0; !stop.stop_requested(); ++i) {
        auto const begin = Clock::now();
        if (worker_->call(fn<&Everything::add>, i, 1).get() != i + 1) ++wrong_answers_;
        if (Clock::now() - begin >= kHandshakeTimeout) ++slow_answers_;
        ++answers_;
        std::this_thread::sleep_for(200us);  // leaves the machine to others
      }
    } catch (Error const& error) {
      ADD_FAILURE() << error.what();
    }
  }

  std::unique_ptr<Worker<Everything>> worker_;
  cohort::Endpoint endpoint_;
  Stream<cohort::LogRecord> warnings_;
  Stream<std::string> kept_;
  bool open_ = true;  ///< for new clients, at the end of the test
  long peak_kib_ = 0;
  std::atomic<int> answers_{0};
  std::atomic<int> wrong_answers_{0};
  std::atomic<int> slow_answers_{0};
  std::jthread calling_;
};
COHORT_EACH_PLACE(Strangers);

TEST_P(Strangers, ThatSendGarbageAreHungUpOn) {
  start_calls();
  for (auto const& garbage : {std::string("GET / HTTP/1.1\r\nHost: here\r\n\r\n"),
                              std::string(1'000'000, '\xff'), std::string(1, '\0')}) {
    auto const rude = stranger();
    rude.send(garbage);
    EXPECT_EQ(rude.read_to_end(), "");
    auto const line = warning();
    EXPECT_TRUE(line.starts_with("refused a connection to " + endpoint_.to_string() + " from "))
        << line;
    EXPECT_TRUE(contains(line, "pid " + std::to_string(::getpid()) + ", uid " +
                                   std::to_string(::geteuid()) +
                                   ": the peer does not speak cohort's protocol"));
  }
}

TEST_P(Strangers, ThatStopWithinTheHelloAreHungUpOnInTime) {
  start_calls();
  auto const begin = Clock::now();
  auto const silent = stranger();
  silent.send(hello_bytes().substr(0, 76));
  EXPECT_EQ(silent.read_to_end(), "");
  EXPECT_GE(Clock::now() - begin, kHandshakeTimeout);
  EXPECT_TRUE(contains(warning(), "no complete handshake within 1500 ms"));
  {
    auto const gone = stranger();
    gone.send(hello_bytes().substr(0, 76));
  }
  EXPECT_TRUE(contains(warning(), "hung up during the handshake"));
}

TEST_P(Strangers, WithAWrongSecretAreNotToldWhy) {
  start_calls();
  auto const liar = stranger();
  liar.send(hello_bytes() + std::string(32, 'x'));
  EXPECT_EQ(liar.read_to_end().size(), 80u) << "the worker's hello and proof, and no more";
  EXPECT_TRUE(contains(warning(), "does not know the session's secret"));
}

TEST_P(Strangers, OfAnotherSessionAreRefused) {
  start_calls();
  cohort::Cluster other(kTypes, options);
  auto const error =
      error_of([&] { static_cast<void>(cohort::connect(other, worker_->ref(), "lost")); });
  EXPECT_EQ(error.kind(), ErrorKind::kRefused);
  EXPECT_TRUE(contains(error.reason(), "does not know the session's secret"));
  EXPECT_TRUE(contains(warning(), "hung up during the handshake"));
}

TEST_P(Strangers, ThatRunAnotherProgramAreToldWhatDiffers) {
  start_calls();
  auto const other = stranger();
  try {
    other.shake_hands(cluster().runtime()->secret, "worker type 0: Nothing, init void\n");
    ADD_FAILURE() << "welcomed";
  } catch (std::runtime_error const& error) {
    EXPECT_TRUE(contains(error.what(), "runs a different executable"));
  }
  EXPECT_TRUE(contains(warning(), "runs a different executable"));
}

TEST_P(Strangers, ThatGoAwayWithinAFrameLeaveNothing) {
  start_calls();
  goes_on();
  ASSERT_TRUE(eventually([&] {  // the guest of start_calls() is gone
    auto const before = descriptors_of(worker_->pid());
    goes_on();
    return descriptors_of(worker_->pid()) == before;
  }));
  auto const before = descriptors_of(worker_->pid());
  for (int i = 0; i < 20; ++i) {
    auto const friendly = friendly_stranger();
    friendly.send(call_of_length(100).substr(0, i % 2 == 0 ? 11 : 24));
  }
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(contains(warning(), "closed within a frame"));
  EXPECT_TRUE(eventually([&] { return descriptors_of(worker_->pid()) <= before; }));
}

TEST_P(Strangers, ThatStopWithinAFrameAreHungUpOnInTime) {
  options.settings.heartbeat_timeout = 5s;
  options.settings.heartbeat_interval = 500ms;
  start_calls();
  auto const friendly = friendly_stranger();
  friendly.send(call_of_length(100) + "not a hundred bytes");
  static_cast<void>(friendly.read_to_end());  // heartbeats
  EXPECT_TRUE(contains(warning(), "no sign of life for 5000 ms"));
}

TEST_P(Strangers, ThatBreakTheProtocolAreHungUpOn) {
  start_calls();
  for (auto const& breach : {call_of_length(std::uint64_t{1} << 60), std::string(24, '\xff'),
                             std::string(1'000'000, '\0'), call_without_answer()}) {
    for (int i = 0; i < 10; ++i) {
      auto const friendly = friendly_stranger();
      friendly.send(breach);
      EXPECT_EQ(friendly.read_to_end(), "");
    }
  }
}

TEST_P(Strangers, ThatAnnounceMuchGetNoMemoryForWhatDoesNotCome) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer touches what is allocated";
  start_calls();
  auto friendly = friendly_stranger();
  friendly.send(call_of_length(std::uint64_t{8} << 30) + std::string(100'000, 'x'));
  goes_on();
  EXPECT_EQ(enter(), 3);
  friendly.hang_up();
}

TEST_P(Strangers, ThatBreakTheProtocolAreLogged) {
  start_calls();
  auto const friendly = friendly_stranger();
  friendly.send(call_of_length(std::uint64_t{1} << 60));
  EXPECT_TRUE(contains(warning(), "exceeds max_message_size"));
}

TEST_P(Strangers, ByTheThousandAreComplainedOfSoOftenAtMost) {
  start_calls();
  int sent = 0;
  auto const be_rude = [&] {
    auto const rude = stranger();
    rude.send("!");
    EXPECT_EQ(rude.read_to_end(), "");
    ++sent;
  };
  auto const begin = Clock::now();
  while (sent < 3'000) be_rude();
  int lines = 0;
  int told = 0;
  while (told < sent && warnings_.wait_for(kBound)) {
    told += connections_refused_in(warning());
    ++lines;
  }
  EXPECT_EQ(told, sent) << "each told, or counted";
  auto const seconds = (Clock::now() - begin) / 1s + 2;
  EXPECT_LE(lines, (cohort::Complaints::kLinesASecond + 1) * seconds);
  EXPECT_LT(lines, sent);
}

TEST_P(Strangers, ThatSayNothingByTheThousandAreHungUpOnInTime) {
  start_calls();
  std::vector<Stranger> crowd;
  for (int i = 0; i < 1'000; ++i) crowd.push_back(stranger());
  goes_on();
  EXPECT_EQ(enter(), 3) << "through the crowd";
  for (auto const& each : crowd) EXPECT_EQ(each.read_to_end(), "");
  EXPECT_TRUE(contains(warning(), "no complete handshake within 1500 ms"));
  int told = 1;
  while (told < 1'000 && warnings_.wait_for(kBound)) told += connections_refused_in(warning());
  EXPECT_EQ(told, 1'000);
}

/// Its pid; it does what it is given, as that user, and ends when this process does.
pid_t as_user(uid_t user, std::function<void()> const& act) {
  auto const pid = ::fork();
  if (pid != 0) return pid;
  if (::setgid(user) == 0 && ::setuid(user) == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a change of user takes it away
    act();
  }
  ::_exit(0);
}

/// Of nobody, at a port or name: holds so many silent connections, and takes new ones for those
/// that are ended.
void hold_connections(cohort::Endpoint const& at, std::size_t count) {
  std::vector<cohort::UniqueFd> sockets(count);
  for (;;) {
    for (auto& socket : sockets) {
      try {
        if (!socket || cohort::has_hung_up(socket.get())) {
          socket = cohort::connect_to(at, cohort::Deadline::after(1s));
        }
      } catch (std::exception const&) {  // a full queue
      }
    }
    std::this_thread::sleep_for(1ms);
  }
}

class StrangersOfAnotherUser : public Strangers {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can be another user, too";
    Strangers::SetUp();
  }
  void TearDown() override {
    if (rude_ > 0) {
      ::kill(rude_, SIGKILL);
      ::waitpid(rude_, nullptr, 0);
    }
    Strangers::TearDown();
  }
  static constexpr uid_t kNobody = 65534;
  pid_t rude_ = -1;
};
COHORT_EACH_PLACE(StrangersOfAnotherUser);

TEST_P(StrangersOfAnotherUser, KeepNobodyOutHoweverManyTheyAre) {
  start_calls();
  rude_ = as_user(kNobody, [this] { hold_connections(endpoint_, 3'000); });
  ASSERT_GT(rude_, 0);
  auto const line = warning();
  EXPECT_TRUE(contains(line, "uid 65534: ")) << line;
  for (int i = 0; i < 20; ++i) EXPECT_EQ(enter(), 3) << "through the crowd";
  goes_on();
}

std::vector<std::string> const kFewDescriptors{"sh", "-c", "ulimit -n 50 && exec \"$0\" \"$@\""};

class CrowdedStrangers : public Strangers {};
COHORT_EACH_PROCESS_PLACE(CrowdedStrangers);

TEST_P(CrowdedStrangers, ThatTakeTheLastDescriptorAreWaitedOut) {
  start_calls({.wrap = kFewDescriptors});
  std::vector<Stranger> crowd;
  auto const begin = Clock::now();
  for (int i = 0; i < 100; ++i) crowd.push_back(stranger());
  EXPECT_TRUE(contains(warning(), "cannot take a connection: accept"));
  goes_on();
  for (auto const& each : crowd) EXPECT_EQ(each.read_to_end(), "");
  auto const rounds = 1 + (Clock::now() - begin) / 100ms;  // it looks again every 100 ms
  EXPECT_EQ(enter(), 3) << "once there is room";
  int complaints = 1;
  while (warnings_.wait_for(0ms)) {
    if (warning().starts_with("cannot take a connection")) ++complaints;
  }
  EXPECT_LE(complaints, rounds);
}

TEST_P(CrowdedStrangers, ThatWaitForADescriptorAreHungUpOnWhenTheServerCloses) {
  start_calls({.wrap = kFewDescriptors});
  std::vector<Stranger> crowd;
  for (int i = 0; i < 100; ++i) crowd.push_back(stranger());
  EXPECT_TRUE(contains(warning(), "cannot take a connection: accept"));
  worker_->close_server();
  open_ = false;
  for (auto const& each : crowd) EXPECT_EQ(each.read_to_end(), "");
}

}  // namespace
}  // namespace conformance
