// Where the system starts no more threads: what was asked for does not happen later, nothing is
// left behind, and the Error says what could not be started.
#include <filesystem>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

#include "tests/core/fountain.h"
#include "tests/core/lab.h"
#include "tests/support/few_threads.h"

namespace cohort {
namespace {

using cohort_test_lab::Lab;
using test::FewThreads;

std::size_t open_descriptors() {
  auto const all = std::filesystem::directory_iterator("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

TEST(WithoutAThread, ASerialThreadRunsNoTaskThatItRefused) {
  SerialThread serial("the tasks of a test");
  int ran = 0;
  {
    FewThreads const none(0);
    auto const error = error_of([&] { serial.run([&] { ran += 100; }); });
    EXPECT_EQ(error.kind(), ErrorKind::kRefused);
    EXPECT_NE(error.reason().find("a thread for the tasks of a test (pid "), std::string::npos);
    EXPECT_NE(error.reason().find("ulimit -u, pids.max"), std::string::npos) << error.reason();
  }
  serial.run([&] { ++ran; });
  EXPECT_EQ(ran, 1);
}

TEST(WithoutAThread, AnEngineLeavesNothingBehind) {
  auto const before = open_descriptors();
  {
    FewThreads const none(0);
    auto const error = error_of([] { Engine engine; });
    EXPECT_NE(error.reason().find("a thread for the I/O engine"), std::string::npos);
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST(WithoutAThread, ASubscriptionIsRefusedAndTheConnectionGoesOn) {
  Peers<Fountain> peers;
  auto open = peers.open(fn<&Fountain::count>, 3);
  {
    FewThreads const none(0);
    auto const error =
        error_of([&] { static_cast<void>(std::move(open.output).subscribe([](int) {})); });
    EXPECT_EQ(error.kind(), ErrorKind::kRefused);
  }
  int sum = 0;
  EXPECT_EQ(std::move(open.output).subscribe([&](int i) { sum += i; }).wait(),
            CloseReason::kFinished);
  EXPECT_EQ(sum, 3);
}

TEST(WithoutAThread, ACallThatTakesAStopTokenIsRefusedAloneAndACancelDoesNoHarm) {
  Peers<Lab> peers;
  {
    FewThreads const none(0);
    auto const error = error_of([&] { peers.call(fn<&Lab::wait_for_stop>).get(); });
    EXPECT_EQ(error.kind(), ErrorKind::kRefused);
    EXPECT_NE(error.reason().find("a thread for stop callbacks"), std::string::npos);
    auto cancelled = peers.call(fn<&Lab::glance>);
    cancelled.cancel();
    EXPECT_EQ(peers.call(fn<&Lab::add>, 1, 2).get(), 3);
  }
  auto future = peers.call(fn<&Lab::wait_for_stop>);
  ASSERT_TRUE(peers.object.started.wait());
  future.cancel();
  EXPECT_TRUE(peers.object.saw_stop.wait());
}

TEST(WithoutAThread, AFunctionThatEndsItsThreadEndsTheWorkerWhichSaysSo) {
  Peers<Lab> peers;
  test::Signal told;
  std::string text;
  peers.worker_side.dispatcher.on_background_failure([&](RemoteFailure const& what) {
    text = what.text;
    told.set();
  });
  FewThreads const none(0);
  EXPECT_EQ(error_of([&] { peers.call(fn<&Lab::end_thread>).get(); }).kind(), ErrorKind::kFailed);
  ASSERT_TRUE(told.wait());
  EXPECT_NE(text.find("pthread_exit"), std::string::npos) << text;
  EXPECT_NE(text.find("a thread for a worker's calls"), std::string::npos) << text;
}

}  // namespace
}  // namespace cohort
