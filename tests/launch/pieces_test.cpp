// The parts of launch/ that need no worker: forwarder, child process, threads, records, parsing.
#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <future>
#include <stdexcept>
#include <system_error>
#include <thread>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern "C" {  // glibc 2.36 forgot to say so in this header
#include <sys/pidfd.h>
}

#include "core/engine.h"
#include "core/serial_thread.h"
#include "launch/boot.h"
#include "launch/child_process.h"
#include "launch/local_launcher.h"
#include "launch/log.h"
#include "launch/options.h"
#include "launch/output_forwarder.h"
#include "launch/remote_worker.h"
#include "launch/runtime.h"
#include "launch/secret.h"
#include "tests/launch/support.h"
#include "tests/launch/workers.h"

namespace launch_test {
namespace {

using cohort::UniqueFd;

std::pair<UniqueFd, UniqueFd> make_pipe() {
  int ends[2];
  cohort::check(::pipe2(ends, O_CLOEXEC), "pipe2");
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// ---- Redirect ----------------------------------------------------------------------------------

TEST(PathOfOutput, HasIndexNumberAndHost) {
  cohort::OutputOwner const owner{.index = 7, .id = cohort::WorkerId{3, 1}, .host = "node7"};
  EXPECT_EQ(cohort::path_for("a/%h/out.%i.%w%%", owner), "a/node7/out.7.3.1%");
  EXPECT_EQ(cohort::path_for("", owner), "");
  for (auto const* bad : {"%", "x%", "%%%", "%p", "100% done"}) {
    EXPECT_THROW(static_cast<void>(cohort::path_for(bad, owner)), std::invalid_argument) << bad;
  }
}

// ---- OutputForwarder ---------------------------------------------------------------------------

class Forwarder : public testing::Test {
 protected:
  Forwarder() {
    auto [read_end, write_end] = make_pipe();
    pipe_ = std::move(write_end);
    to_ = UniqueFd(cohort::check(
        ::open((dir_ / "out").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), "open"));
    forwarder_ = std::make_shared<cohort::OutputForwarder>(engine_, std::move(read_end), "[tag] ",
                                                           to_.get(), writer_);
    engine_.attach(forwarder_);
  }
  void say(std::string const& text) {
    ASSERT_EQ(::write(pipe_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  [[nodiscard]] bool forwards(std::string const& text) {
    return eventually([&] { return read_file(dir_ / "out") == text; }, 10s);
  }
  std::string finish() {
    std::string tail;
    engine_.run_locked([&] {
      forwarder_->finish();
      tail = forwarder_->tail();
    });
    writer_.run([] {});
    return tail;
  }

  TempDir dir_;
  cohort::Engine engine_;
  cohort::SerialThread writer_;
  UniqueFd pipe_;
  UniqueFd to_;
  std::shared_ptr<cohort::OutputForwarder> forwarder_;
};

TEST_F(Forwarder, TagsWholeLinesAsTheyCome) {
  say("one\ntwo\nunfin");
  EXPECT_TRUE(forwards("[tag] one\n[tag] two\n"));
  say("ished\n");
  EXPECT_TRUE(forwards("[tag] one\n[tag] two\n[tag] unfinished\n"));
  EXPECT_EQ(finish(), "one\ntwo\nunfinished\n");
}

TEST_F(Forwarder, EndsAnUnfinishedLineAtTheEnd) {
  say("one\ntw");
  finish();
  EXPECT_EQ(read_file(dir_ / "out"), "[tag] one\n[tag] tw\n");
}

TEST_F(Forwarder, StopsAtTheEndOfThePipe) {
  say("one\n");
  pipe_.reset();
  EXPECT_TRUE(forwards("[tag] one\n"));
  EXPECT_EQ(finish(), "one\n");
}

TEST_F(Forwarder, KeepsEmptyLinesAndPassesBinaryOn) {
  say(std::string("\n\n\0x\n", 5));
  EXPECT_TRUE(forwards(std::string("[tag] \n[tag] \n[tag] \0x\n", 23)));
  finish();
}

TEST_F(Forwarder, PassesOnLinesThatAreWrittenOverAsTheyCome) {
  say("10%\r");
  EXPECT_TRUE(forwards("[tag] 10%\r"));
  say("20%\r30%\r");
  EXPECT_TRUE(forwards("[tag] 10%\r[tag] 20%\r[tag] 30%\r"));
  say("\n");
  EXPECT_TRUE(forwards("[tag] 10%\r[tag] 20%\r[tag] 30%\r\n")) << "tagged once";
  say("two\r\nlines\r\n\r\n");
  EXPECT_TRUE(
      forwards("[tag] 10%\r[tag] 20%\r[tag] 30%\r\n[tag] two\r\n[tag] lines\r\n[tag] \r\n"));
  finish();
}
TEST_F(Forwarder, ShowsProgressThatBeginsWithItsReturnThoughNothingFollows) {
  say("\r10%");
  EXPECT_TRUE(forwards("[tag] 10%\r"));
  say("\r20%\r");
  EXPECT_TRUE(forwards("[tag] 10%\r[tag] 10%\r[tag] 20%\r"));
  finish();
  EXPECT_EQ(read_file(dir_ / "out"), "[tag] 10%\r[tag] 10%\r[tag] 20%\r\n");
}
TEST_F(Forwarder, GivesOutALongLineInPieces) {
  say(std::string(20'000, 'x'));
  EXPECT_TRUE(eventually([&] { return read_file(dir_ / "out").size() > 16'000; }, 10s));
  finish();
  auto text = read_file(dir_ / "out");
  EXPECT_EQ(std::count(text.begin(), text.end(), 'x'), 20'000);
}

TEST_F(Forwarder, KeepsTheLastWholeLinesAsItsTail) {
  std::string all;
  for (int i = 0; i < 3000; ++i) {
    auto const line = "line " + std::to_string(i) + '\n';
    say(line);
    all += line;
  }
  auto const tail = finish();
  EXPECT_LE(tail.size(), 4096U);
  EXPECT_GT(tail.size(), 4000U);
  EXPECT_TRUE(all.ends_with(tail));
  EXPECT_TRUE(tail.starts_with("line "));
}

TEST_F(Forwarder, ReadsNoFurtherWhileNobodyTakesItsOutput) {
  auto [in_read, in_write] = make_pipe();
  auto [out_read, out_write] = make_pipe();
  cohort::set_nonblocking(in_write.get(), true);
  auto const forwarder = std::make_shared<cohort::OutputForwarder>(engine_, std::move(in_read), "",
                                                                   out_write.get(), writer_);
  engine_.attach(forwarder);
  std::string const line(99, 'x');
  std::string const block = [&] {
    std::string lines;
    for (int i = 0; i < 40; ++i) lines += line + '\n';
    return lines;
  }();
  constexpr std::size_t kFarTooMuch = 16 << 20;
  std::size_t accepted = 0;
  auto refused_since = cohort::Clock::now();
  while (accepted < kFarTooMuch && cohort::Clock::now() - refused_since < 300ms) {
    auto const count = ::write(in_write.get(), block.data(), block.size());
    if (count <= 0) {
      std::this_thread::yield();
      continue;
    }
    accepted += static_cast<std::size_t>(count);
    refused_since = cohort::Clock::now();
  }
  EXPECT_LT(accepted, std::size_t{1} << 20) << "what nobody reads piles up in this process";
  // Once somebody reads, all of it comes.
  std::size_t arrived = 0;
  std::array<char, 65536> buffer;
  while (arrived < accepted) {
    auto const count = ::read(out_read.get(), buffer.data(), buffer.size());
    ASSERT_GT(count, 0);
    arrived += static_cast<std::size_t>(count);
  }
  EXPECT_EQ(arrived, accepted);
  in_write.reset();
  engine_.run_locked([&] { forwarder->finish(); });
  writer_.run([] {});
}

TEST_F(Forwarder, KeepsTheEndOfALineThatIsLongerThanTheTail) {
  say(std::string(15'000, 'x') + "the end\n");
  auto const tail = finish();
  EXPECT_EQ(tail.size(), 4096U);
  EXPECT_TRUE(tail.ends_with("xthe end\n"));
}

// ---- ChildProcess -------------------------------------------------------------------------------

class Child : public testing::Test {
 protected:
  void run(std::string const& script) {
    std::array<char const*, 4> const arguments{"sh", "-c", script.c_str(), nullptr};
    ASSERT_EQ(::posix_spawn(&pid_, "/bin/sh", nullptr, nullptr,
                            const_cast<char* const*>(arguments.data()), environ),
              0);
    child_ = std::make_shared<cohort::ChildProcess>(
        engine_, UniqueFd(cohort::check(::pidfd_open(pid_, 0), "pidfd_open")),
        [this](cohort::ExitReport report) {
          report_ = std::move(report);
          ended_.set(engine_);
        });
    engine_.attach(child_);
  }
  void wait_and_expect_no_zombie() {
    ASSERT_TRUE(engine_.wait(ended_, cohort::Deadline::after(kBound)));
    EXPECT_EQ(::waitpid(pid_, nullptr, WNOHANG), -1);
  }
  cohort::Engine engine_;
  cohort::Event ended_;
  cohort::ExitReport report_;
  pid_t pid_ = -1;
  std::shared_ptr<cohort::ChildProcess> child_;
};

TEST_F(Child, TellsTheExitCode) {
  run("exit 5");
  wait_and_expect_no_zombie();
  EXPECT_EQ(report_.exit_code, 5);
  EXPECT_EQ(report_.signal, std::nullopt);
  EXPECT_EQ(report_.to_string(), "exited with code 5");
  child_->kill();  // harmless
}

TEST_F(Child, TellsTheSignal) {
  run("kill -USR1 $$");
  wait_and_expect_no_zombie();
  EXPECT_EQ(report_.signal, SIGUSR1);
  EXPECT_EQ(report_.exit_code, std::nullopt);
}

TEST_F(Child, IsKilled) {
  run("exec sleep 1000");
  child_->kill();
  wait_and_expect_no_zombie();
  EXPECT_EQ(report_.signal, SIGKILL);
}

/// Linux 6.15 and later tell how a process ended that was reaped.
[[nodiscard]] testing::AssertionResult is_known_or_says_why(cohort::ExitReport const& report,
                                                            int signal, std::string const& why) {
  if (report.signal == signal) return testing::AssertionSuccess();
  return contains(report.to_string(), "how it ended is unknown: " + why);
}

TEST_F(Child, ThatTheKernelReapedEndedByItsSignalOrSaysWhyThatIsUnknown) {
  std::signal(SIGCHLD, SIG_IGN);
  run("exec sleep 1000");
  child_->kill();
  ASSERT_TRUE(engine_.wait(ended_, cohort::Deadline::after(kBound)));
  EXPECT_TRUE(is_known_or_says_why(report_, SIGKILL, "this program ignores SIGCHLD"));
  std::signal(SIGCHLD, SIG_DFL);
}

TEST_F(Child, ThatSomebodyElseReapedEndedByItsSignalOrSaysWhyThatIsUnknown) {
  engine_.run_locked([&] {  // which reaps nothing meanwhile
    run("exec sleep 1000");
    child_->kill();
    EXPECT_EQ(::waitpid(-1, nullptr, 0), pid_);
  });
  ASSERT_TRUE(engine_.wait(ended_, cohort::Deadline::after(kBound)));
  EXPECT_TRUE(is_known_or_says_why(report_, SIGKILL, "something else in this program"));
}

// ---- SerialThread -------------------------------------------------------------------------------

TEST(SerialThread, RunsTasksInOrderAndAllOfThemBeforeItEnds) {
  std::vector<int> order;
  {
    cohort::SerialThread thread;
    for (int i = 0; i < 1000; ++i) thread.post([&order, i] { order.push_back(i); });
  }
  ASSERT_EQ(order.size(), 1000U);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(SerialThread, RunReturnsWhenTheTaskRanAndThrowsWhatItThrows) {
  cohort::SerialThread thread;
  std::thread::id where;
  bool current = false;
  thread.run([&] {
    where = std::this_thread::get_id();
    current = thread.is_current();
  });
  EXPECT_NE(where, std::this_thread::get_id());
  EXPECT_TRUE(current);
  EXPECT_FALSE(thread.is_current());
  EXPECT_THROW(thread.run([] { throw std::out_of_range("no"); }), std::out_of_range);
  bool ran = false;
  thread.run([&] { ran = true; });
  EXPECT_TRUE(ran);
}

TEST(LogQueue, DropsLinesRatherThanFillTheMemoryAndSaysHowMany) {
  TempDir const dir;
  UniqueFd const kept(::dup(STDERR_FILENO));
  {
    UniqueFd const file(::open((dir / "err").c_str(), O_WRONLY | O_CREAT, 0600));
    ::dup2(file.get(), STDERR_FILENO);
  }
  std::promise<void> stderr_takes_lines;
  {
    std::unique_ptr<cohort::LogQueue> queue;
    cohort::SerialThread thread;
    queue = std::make_unique<cohort::LogQueue>(thread);
    thread.post([&] { stderr_takes_lines.get_future().wait(); });
    for (int i = 0; i < cohort::LogQueue::kLinesAtMost + 100; ++i) {
      queue->post(cohort::LogLevel::kError, "line");
    }
    stderr_takes_lines.set_value();
    thread.drain();
    queue->post(cohort::LogLevel::kError, "the last one");
    thread.finish();
  }
  ::dup2(kept.get(), STDERR_FILENO);
  auto const text = read_file(dir / "err");
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), cohort::LogQueue::kLinesAtMost + 2);
  EXPECT_TRUE(contains(text, "100 lines were dropped"));
  EXPECT_TRUE(text.ends_with("the last one\n"));
}

// ---- RemoteWorker -------------------------------------------------------------------------------

TEST(RemoteWorker, LeavesNoProcessThatItCannotWatch) {
  auto const before = Holdings::now();
  {
    auto const runtime = std::make_shared<cohort::Runtime>(
        kTypes, cohort::ClusterOptions{}, cohort::Secret::random(), cohort::WorkerId());
    auto const session =
        std::make_shared<cohort::Session>(runtime, cohort::WorkerId(), cohort::ClusterOptions{});
    cohort::SpawnOptions const options{.wrap = {"sh", "-c", "sleep 1000"}};
    cohort::ConstructRequest const request{.init = std::make_shared<cohort::Message>()};
    auto const worker =
        std::make_shared<cohort::RemoteWorker>(session, 1, request, options, cohort::Settings{});
    cohort::BootRecord const boot{
        .secret = runtime->secret, .id = worker->id(), .master = {}, .settings = {}, .umask = {}};
    cohort::SharedFiles files;
    auto process =
        cohort::start_local_process(boot, {}, options, cohort::open_outputs(options, {}, files));
    auto const pid = process.pid;
    // A regular file is what epoll does not take.
    process.stdout_pipe = UniqueFd(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    EXPECT_THROW(worker->adopt(std::move(process)), std::system_error);
    worker->fail_to_start("it cannot be watched");
    EXPECT_TRUE(worker->ended());
    EXPECT_TRUE(eventually([&] { return is_gone(pid); }));
  }
  EXPECT_TRUE(nothing_is_left(before));
}

TEST(SerialThread, StartsNoThreadForNothing) {
  auto const tasks = [] {
    auto const folder = std::filesystem::directory_iterator("/proc/self/task");
    return std::distance(begin(folder), end(folder));
  };
  auto const before = tasks();
  cohort::SerialThread thread;
  EXPECT_EQ(tasks(), before);
}

// ---- the boot record ----------------------------------------------------------------------------

cohort::BootRecord some_record() {
  cohort::BootRecord record{.secret = cohort::Secret::random(),
                            .id = {2, 7},
                            .serial = 9,
                            .parent_pid = 4711,
                            .inherited_socket = 5,
                            .master = {"127.0.0.1", 4242},
                            .transport = cohort::Transport::kTcp,
                            .settings = {},
                            .shutdown_on = cohort::ShutdownOn::kHeartbeatTimeout,
                            .umask = 027};
  record.settings.max_message_size = 123456;
  record.settings.heartbeat_interval = 11ms;
  record.settings.heartbeat_timeout = 12ms;
  record.settings.handshake_timeout = 13ms;
  record.settings.shutdown_timeout = 14ms;
  record.settings.spin = std::chrono::microseconds(15);
  return record;
}

cohort::BootRecord read_back(std::span<std::byte const> bytes) {
  auto [read_end, write_end] = make_pipe();
  EXPECT_EQ(::write(write_end.get(), bytes.data(), bytes.size()),
            static_cast<ssize_t>(bytes.size()));
  write_end.reset();
  return cohort::read_boot_record(std::move(read_end), cohort::Deadline::after(kBound));
}

TEST(BootRecord, ComesOutOfThePipeAsItWentIn) {
  auto const record = some_record();
  auto const back = read_back(cohort::to_bytes(record));
  EXPECT_TRUE(std::equal(record.secret.bytes().begin(), record.secret.bytes().end(),
                         back.secret.bytes().begin()));
  EXPECT_EQ(back.id, record.id);
  EXPECT_EQ(back.serial, 9U);
  EXPECT_EQ(back.parent_pid, 4711);
  EXPECT_EQ(back.inherited_socket, 5);
  EXPECT_EQ(back.master.host, "127.0.0.1");
  EXPECT_EQ(back.master.port, 4242);
  EXPECT_EQ(back.settings, record.settings);
  EXPECT_EQ(back.transport, record.transport);
  EXPECT_EQ(back.shutdown_on, record.shutdown_on);
  EXPECT_EQ(back.umask, record.umask);
}

TEST(BootRecord, ThatIsCutShortAnywhereIsRefused) {
  auto const bytes = cohort::to_bytes(some_record());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_THROW(static_cast<void>(read_back(std::span(bytes).first(size))), std::runtime_error)
        << size;
  }
}

TEST(BootRecord, OfAnotherVersionIsRefused) {
  auto bytes = cohort::to_bytes(some_record());
  bytes[0] = std::byte{9};
  try {
    static_cast<void>(read_back(bytes));
    ADD_FAILURE() << "accepted";
  } catch (std::runtime_error const& error) {
    EXPECT_TRUE(contains(error.what(), "the master speaks version 9"));
  }
}

TEST(BootRecord, ThatDoesNotComeIsGivenUpAtTheDeadline) {
  auto [read_end, write_end] = make_pipe();
  EXPECT_THROW(static_cast<void>(
                   cohort::read_boot_record(std::move(read_end), cohort::Deadline::after(20ms))),
               std::runtime_error);
}

// ---- secrets ------------------------------------------------------------------------------------

TEST(Secret, ProvesWithHmacSha256) {
  // RFC 4231, test case 2, with its key padded to 32 bytes by zeros, which HMAC does anyway.
  std::array<std::byte, cohort::Secret::kSize> key{std::byte{'J'}, std::byte{'e'}, std::byte{'f'},
                                                   std::byte{'e'}};
  cohort::Secret const secret{std::span<std::byte const, cohort::Secret::kSize>(key)};
  std::string const a = "what do ya want ";
  std::string const b = "for nothing?";
  auto const digest = secret.prove({std::as_bytes(std::span(a)), std::as_bytes(std::span(b))});
  std::string hex;
  for (auto byte : digest) {
    char two[3];
    std::snprintf(two, sizeof two, "%02x", std::to_integer<unsigned>(byte));
    hex += two;
  }
  EXPECT_EQ(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Secret, IsAnotherOneEachTime) {
  auto const a = cohort::Secret::random();
  auto const b = cohort::Secret::random();
  EXPECT_FALSE(std::equal(a.bytes().begin(), a.bytes().end(), b.bytes().begin()));
}

// ---- options ------------------------------------------------------------------------------------

TEST(ParseWorkers, ReadsWhatItSaysItReads) {
  EXPECT_EQ(cohort::parse_workers("local").count, cohort::usable_cores());
  EXPECT_EQ(cohort::parse_workers("local:7").count, 7U);
  EXPECT_EQ(cohort::parse_workers("12").count, 12U);
  EXPECT_EQ(cohort::parse_workers("100000").count, 100'000U);
  EXPECT_EQ(cohort::parse_workers("12").launcher, cohort::Launcher::kLocal);
  EXPECT_EQ(cohort::parse_workers("mpi:7").count, 7U);
  EXPECT_EQ(cohort::parse_workers("mpi").count, cohort::usable_cores());
  EXPECT_EQ(cohort::parse_workers("mpi").launcher, cohort::Launcher::kMpi);
  EXPECT_EQ(cohort::parse_workers("ranks").launcher, cohort::Launcher::kRanks);
}

TEST(ParseWorkers, NamesTheOptionAndWhatIsAllowed) {
  for (std::string const text :
       {"", "0", "local:", "local:0", "local:x", "4x", "-1", " 4", "100001", "99999999999",
        "locals", "local7", "mpi7", "mpi:", "mpi:x", "ranks:3"}) {
    try {
      static_cast<void>(cohort::parse_workers(text));
      ADD_FAILURE() << '"' << text << "\" was accepted";
    } catch (std::invalid_argument const& error) {
      EXPECT_EQ(
          std::string(error.what()),
          "--workers " + text +
              ": expected local (one per core), local:N, N, mpi, mpi:N or ranks, with N from 1 "
              "to 100000");
    }
  }
}

TEST(ParseTransport, ReadsBothAndNothingElse) {
  EXPECT_EQ(cohort::parse_transport("unix"), cohort::Transport::kUnix);
  EXPECT_EQ(cohort::parse_transport("tcp"), cohort::Transport::kTcp);
  EXPECT_THROW(static_cast<void>(cohort::parse_transport("mpi")), std::invalid_argument);
}

// ---- the description of a program ---------------------------------------------------------------

/// A worker type with an Init.
class Named {
 public:
  using Init = std::string;
  explicit Named(std::string name) : name_(std::move(name)) {}
  std::string name() const { return name_; }
  using Functions = cohort::FunctionList<&Named::name>;

 private:
  std::string name_;
};

TEST(Describe, ListsTypesAndFunctionsInOrderAndTheBuild) {
  auto const text = cohort::describe(cohort::app_types<Calculator, Named>);
  EXPECT_TRUE(
      text.starts_with("worker type 0: launch_test::Calculator, init void\n"
                       "function 0 of launch_test::Calculator: int "
                       "launch_test::Calculator::add(int, int)\n"))
      << text;
  EXPECT_TRUE(contains(text, "\nworker type 1: launch_test::"));
  EXPECT_TRUE(contains(text, "Named, init std::"));
  auto const build = text.substr(text.rfind("build "));
  EXPECT_EQ(build.size(), std::string("build ").size() + 40 + 1) << build;
  EXPECT_EQ(build.find("unknown"), build.npos);
}

TEST(Describe, GivesAFingerprintThatAnyChangeChanges) {
  EXPECT_EQ(cohort::fingerprint("a\nb\n"), cohort::fingerprint("a\nb\n"));
  EXPECT_NE(cohort::fingerprint("a\nb\n"), cohort::fingerprint("a\nc\n"));
}

TEST(FirstDifference, NamesTheFirstLineThatDiffers) {
  EXPECT_EQ(cohort::first_difference("a\nb\nbuild 1\n", "a\nc\nbuild 2\n"),
            "it has \"c\" where this program has \"b\"");
  EXPECT_EQ(cohort::first_difference("a\nb\n", "a\n"),
            "it has \"nothing more\" where this program has \"b\"");
  EXPECT_EQ(cohort::first_difference("a\n", "a\nb\n"),
            "it has \"b\" where this program has \"nothing more\"");
  EXPECT_EQ(cohort::first_difference("a\nbuild 1\n", "a\nbuild 2\n"),
            "the functions are the same, but it is another build of the program (build 2, here "
            "build 1)");
  EXPECT_EQ(cohort::first_difference("a\n", "a\n"), "no difference");
}

}  // namespace
}  // namespace launch_test
