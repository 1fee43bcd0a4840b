// Strangers at the master's TCP port, while a worker serves calls undisturbed.
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <thread>

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "tests/launch/support.h"
#include "tests/launch/workers.h"
#include "tests/support/strangers.h"
#include "transports/socket.h"

namespace launch_test {
namespace {

using cohort::fn;
using cohort::test::connections_refused_in;
using cohort::test::hello_bytes;
using cohort::test::Stranger;

/// The TCP endpoint on which this process listens.
cohort::Endpoint listening_endpoint() {
  for (auto const& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    int const descriptor = std::stoi(entry.path().filename());
    int listening = 0;
    socklen_t size = sizeof listening;
    if (::getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0) continue;
    sockaddr_in address{};
    size = sizeof address;
    ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
    if (listening != 0 && address.sin_family == AF_INET) {
      EXPECT_EQ(ntohl(address.sin_addr.s_addr), INADDR_LOOPBACK) << "open to the network";
      return {"127.0.0.1", ntohs(address.sin_port)};
    }
  }
  throw std::runtime_error("this process does not listen");
}

class Listener : public testing::Test {
 protected:
  Listener() {
    cohort::ClusterOptions options{.transport = cohort::Transport::kTcp};
    options.settings.handshake_timeout = 700ms;
    cluster_ = std::make_unique<cohort::Cluster>(kTypes, options);
    worker_ = std::make_unique<cohort::Worker<Calculator>>(cohort::spawn_one<Calculator>(
        *cluster_, {.on_failure = failures_.listener(), .spawn_timeout = 60s}));
    // Its log is this process's.
    here_ = std::make_unique<cohort::Worker<Calculator>>(cohort::serve<Calculator>(*cluster_, {}));
    warnings_ = here_->log(cohort::LogLevel::kWarning, 100'000);
    quiet_ = Holdings::now();
    peak_kib_ = peak_kib();
    endpoint_ = listening_endpoint();
    calling_ = std::jthread([this](std::stop_token stop) {
      for (int i = 0; !stop.stop_requested(); ++i) {
        if (worker_->call(fn<&Calculator::add>, i, 1).get() != i + 1) ++wrong_answers_;
        ++answers_;
      }
    });
  }
  ~Listener() override {
    auto const before = answers_.load();
    EXPECT_TRUE(eventually([&] { return answers_ > before; })) << "the worker's calls stand still";
    calling_ = {};
    EXPECT_EQ(wrong_answers_, 0);
    EXPECT_TRUE(nothing_is_left(quiet_));
    if (!kSanitized) {
      EXPECT_LT(peak_kib() - peak_kib_, 8 * 1024);
    }
    {  // And a new worker gets in.
      auto const next = cohort::spawn_one<Calculator>(*cluster_, {});
      EXPECT_EQ(next.call(fn<&Calculator::add>, 1, 2).get(), 3);
    }
    cluster_.reset();
    EXPECT_EQ(failures_.count(), 0U);
  }
  [[nodiscard]] Stranger connect() const { return Stranger(endpoint_); }
  /// Of this process, in KiB.
  [[nodiscard]] static long peak_kib() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
  }
  /// The reason that the log gives for the next connection that was refused.
  [[nodiscard]] std::string refusal() {
    if (!warnings_.wait_for(kBound)) return "(no warning)";
    auto const text = warnings_.next()->text;
    auto const start = "refused a connection to " + endpoint_.to_string() + " from port ";
    EXPECT_TRUE(text.starts_with(start)) << text;
    auto const who = text.find(": ", start.size());
    EXPECT_NE(who, text.npos) << text;
    return who == text.npos ? text : text.substr(who + 2);
  }

  Failures failures_;
  std::unique_ptr<cohort::Cluster> cluster_;
  std::unique_ptr<cohort::Worker<Calculator>> worker_;
  std::unique_ptr<cohort::Worker<Calculator>> here_;
  cohort::Stream<cohort::LogRecord> warnings_;
  Holdings quiet_;
  long peak_kib_ = 0;
  cohort::Endpoint endpoint_;
  std::atomic<int> answers_{0};
  std::atomic<int> wrong_answers_{0};
  std::jthread calling_;
};

TEST_F(Listener, HangsUpOnGarbageAtOnce) {
  auto const start = Clock::now();
  for (auto const& garbage : {std::string("GET / HTTP/1.1\r\nHost: here\r\n\r\n"),
                              std::string(100'000, '\xff'), std::string(1, '\0')}) {
    auto const socket = connect();
    socket.send(garbage);
    EXPECT_EQ(socket.read_to_end(), "");
    EXPECT_EQ(refusal(), "the peer does not speak cohort's protocol");
  }
  if (kSanitized) return;
  EXPECT_LT(Clock::now() - start, 3 * 700ms) << "waited for handshake_timeout";
}

TEST_F(Listener, HangsUpOnAHelloThatIsFollowedBySilence) {
  auto const socket = connect();
  socket.send(hello_bytes());
  EXPECT_EQ(socket.read_to_end().size(), 80U) << "the master's hello and proof, and no more";
  EXPECT_EQ(refusal(), "no complete handshake within 700 ms (handshake_timeout)");
}

TEST_F(Listener, HangsUpOnAWrongProofAndClaimsNoWorker) {
  auto const socket = connect();
  socket.send(hello_bytes());
  socket.send(std::string(32, 'x'));
  EXPECT_EQ(socket.read_to_end().size(), 80U);
  EXPECT_EQ(refusal(), "the peer does not know the session's secret");
}

TEST_F(Listener, HangsUpOnHalfAHello) {
  auto const socket = connect();
  socket.send(hello_bytes().substr(0, 76));
  EXPECT_EQ(socket.read_to_end(), "");
  EXPECT_EQ(refusal(), "no complete handshake within 700 ms (handshake_timeout)");
}

TEST_F(Listener, HangsUpOnAByteNowAndThen) {
  auto const socket = connect();
  auto const hello = hello_bytes();
  auto const start = Clock::now();
  for (std::size_t i = 0; i < 100; ++i) {  // each byte alone would come in time
    std::this_thread::sleep_for(20ms);     // the pace is the attack, nothing is waited for
    socket.send(hello.substr(i, 1));
  }
  EXPECT_EQ(socket.read_to_end(), "");
  EXPECT_GE(Clock::now() - start, 600ms);
}

TEST_F(Listener, TakesPeersThatGoAwayAtOnce) {
  for (int i = 0; i < 200; ++i) {
    auto const socket = connect();
    if (i % 2 == 0) socket.send("COHORT");
  }
}

TEST_F(Listener, RefusesAnotherVersionAndNamesBoth) {
  auto const socket = connect();
  auto hello = hello_bytes();
  hello[12] ^= '\x40';  // of the version
  socket.send(hello);
  EXPECT_EQ(socket.read_to_end(), "");
  EXPECT_EQ(refusal(), "the peer speaks version 65 of cohort's protocol, this program version 1");
}

TEST_F(Listener, SaysWhoWasRefused) {
  auto const socket = connect();
  socket.send("!");
  EXPECT_EQ(socket.read_to_end(), "");
  ASSERT_TRUE(warnings_.wait_for(kBound));
  auto const line = warnings_.next()->text;
  EXPECT_TRUE(contains(line, " from port " + std::to_string(socket.port()) + ", pid " +
                                 std::to_string(::getpid()) + ", uid " +
                                 std::to_string(::geteuid()) + ": "))
      << line;
}

TEST_F(Listener, SurvivesAThousandSilentConnections) {
  std::vector<Stranger> sockets;
  for (int i = 0; i < 1000; ++i) sockets.push_back(connect());
  auto const before = answers_.load();
  EXPECT_TRUE(eventually([&] { return answers_ > before + 10; }));
  auto const next = cohort::spawn_one<Calculator>(*cluster_, {.spawn_timeout = 60s});
  EXPECT_EQ(next.call(fn<&Calculator::add>, 1, 2).get(), 3);
  for (auto const& socket : sockets) EXPECT_EQ(socket.read_to_end(), "");
  int refused = 0;
  while (refused < 1000 && warnings_.wait_for(kBound)) {
    refused += connections_refused_in(warnings_.next()->text);
  }
  EXPECT_EQ(refused, 1000) << "told, or counted";
  next.shut_down();
  EXPECT_TRUE(next.wait_until_ended(kBound));
}

}  // namespace
}  // namespace launch_test
