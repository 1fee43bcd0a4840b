// Who hears of a failure: the caller, the stream's other end, on_failure; each once (parity C).
#include <atomic>
#include <csignal>
#include <functional>
#include <memory>

#include "core/frame.h"
#include "launch/runtime.h"
#include "launch/server.h"
#include "tests/conformance/conformance.h"
#include "tests/support/strangers.h"

namespace conformance {
namespace {

using cohort::test::bytes_of;
using cohort::test::Stranger;

class Failing : public Conformance {};
COHORT_EACH_PLACE(Failing);
/// A worker in the test's own process, whose callbacks run on the same thread as the test's.
class FailingServed : public testing::Test {
 protected:
  Worker<Everything> serve(SpawnOptions how = {}) {
    return cohort::serve<Everything>(cluster, how, 0);
  }
  /// Runs it as a callback of a stream of a worker that has nothing to do with it.
  void in_a_callback(std::function<void()> function) {
    auto const kept = cohort::serve<Everything>(cluster, {}, 0);
    auto open = kept.open(fn<&Everything::keep>);
    open.result.get();
    auto const fed = std::move(open.output).subscribe([&](std::string const&) {
      function();
      return false;
    });
    kept.call(fn<&Everything::write_to_kept>, "now").get();
    fed.wait();
  }
  cohort::Cluster cluster{kTypes, {}};
  Failures failures;
};

TEST_F(FailingServed, FailsACallThatACallbackWaitsForWhenItEnds) {
  auto const worker = serve();
  auto kept = worker.open(fn<&Everything::keep>);
  kept.result.get();
  auto computing = worker.call(fn<&Everything::compute_until_stopped>);
  EXPECT_EQ(kept.output.next(), "begun");
  auto const other = cohort::connect(cluster, worker.ref());
  in_a_callback([&] {
    auto queued = worker.call(fn<&Everything::add>, 1, 2);
    auto queued_elsewhere = other.call(fn<&Everything::add>, 1, 2);
    worker.shut_down();
    EXPECT_EQ(error_of([&] { queued.get(); }).kind(), ErrorKind::kDisconnected);
    EXPECT_EQ(error_of([&] { queued_elsewhere.get(); }).kind(), ErrorKind::kDisconnected);
  });
  EXPECT_TRUE(worker.wait_until_ended(kBound));
}

TEST_F(FailingServed, EndsWhereACallbackLetsGoOfTheLastHandle) {
  auto worker = std::make_unique<Worker<Everything>>(serve());
  in_a_callback([&] { worker.reset(); });
  EXPECT_EQ(worker, nullptr);
}

TEST_F(FailingServed, EndsWhereOnFailureLetsGoOfTheLastHandleOfOneThatHasWorkers) {
  std::atomic<bool> posted{false};  // until then this thread uses the handle
  std::atomic<bool> gone{false};
  std::unique_ptr<Worker<Everything>> worker;
  worker = std::make_unique<Worker<Everything>>(serve({.on_failure = [&](Error const&) {
    posted.wait(false);
    worker.reset();
    gone = true;
  }}));
  EXPECT_EQ(worker->call(fn<&Everything::add_by_own_worker>, 1, 2).get(), 3);
  worker->post(fn<&Everything::fail_one_way>, "nobody waits");
  posted = true;
  posted.notify_one();
  EXPECT_TRUE(eventually([&] { return gone.load(); }));
}

TEST_F(FailingServed, LogsWhatACallbackOfItsOwnThrowsAndLivesOn) {
  auto const worker = serve({.on_failure = failures.listener()});
  auto records = worker.log(cohort::LogLevel::kError);
  auto open = worker.open(fn<&Everything::fail_in_a_callback>);
  open.result.get();
  open.input.write(1);
  auto const record = records.next();
  ASSERT_TRUE(record);
  EXPECT_TRUE(contains(record->text, "too much in a callback"));
  EXPECT_EQ(worker.call(fn<&Everything::add>, 1, 2).get(), 3);
  EXPECT_EQ(failures.count(), 0u);
}

/// Frames that each ask a worker for its settings.
std::string calls_of_settings(std::uint64_t count) {
  std::string calls;
  for (std::uint64_t i = 0; i < count; ++i) {
    calls += bytes_of({.kind = cohort::FrameKind::kCall,
                       .function = cohort::kBuiltin<&cohort::Server::settings>,
                       .call = cohort::CallId{i}});
  }
  return calls;
}

/// Has shaken hands, and does no more by itself.
Stranger bare_client(cohort::Cluster& cluster, Worker<Everything> const& worker) {
  Stranger client(worker.ref().address.endpoint);
  client.shake_hands(cluster.runtime()->secret, cluster.runtime()->description);
  return client;
}

/// Has a result of more than a worker keeps for a client that does not read: the worker waits.
Stranger client_that_reads_nothing(cohort::Cluster& cluster, Worker<Everything> const& worker) {
  auto client = bare_client(cluster, worker);
  std::uint64_t const count = 8 << 20;
  client.send(bytes_of({.kind = cohort::FrameKind::kCall,
                        .function = cohort::CheckedFunction<Everything, &Everything::ones>::id,
                        .call = cohort::CallId{1},
                        .length = sizeof count}));
  client.send({reinterpret_cast<char const*>(&count), sizeof count});
  return client;
}

TEST_F(FailingServed, EndsThoughAClientReadsNothing) {
  auto worker = std::make_unique<Worker<Everything>>(
      serve({.settings = cohort::Settings{.shutdown_timeout = 300ms}}));
  auto const other = client_that_reads_nothing(cluster, *worker);
  EXPECT_TRUE(eventually([&] {  // behind the other's result
    return !worker->call(fn<&Everything::add>, 1, 2).wait_for(500ms);
  }));
  auto const begin = Clock::now();
  worker.reset();
  EXPECT_LT(Clock::now() - begin, 15s);
}

class FailingProcess : public ProcessConformance {};
COHORT_EACH_PROCESS_PLACE(FailingProcess);

TEST_P(Failing, TellsTheCallerWhatAFunctionThrew) {
  auto const worker = start();
  auto const error = error_of([&] { worker.call(fn<&Everything::fail>, "bad input").get(); });
  EXPECT_EQ(error.kind(), ErrorKind::kFailed);
  EXPECT_EQ(error.exception_type(), "std::invalid_argument");
  EXPECT_EQ(error.reason(), "bad input");
  EXPECT_EQ(error.where().worker, worker.id());
  EXPECT_EQ(error.where().pid, worker.pid());
  EXPECT_TRUE(contains(error.where().function, "Everything::fail"));
  EXPECT_EQ(error_of([&] { worker.call(fn<&Everything::fail_oddly>).get(); }).exception_type(),
            "int");
  EXPECT_EQ(worker.call(fn<&Everything::add>, 1, 2).get(), 3) << "the worker lives on";
  EXPECT_EQ(times_told(), 0u);
}

TEST_P(Failing, OfAOneWayCallEndsTheWorkerAndIsToldToOnFailure) {
  auto const worker = start();
  auto kept = worker.open(fn<&Everything::keep>);
  kept.result.get();
  auto computing = worker.call(fn<&Everything::compute_until_stopped>);
  EXPECT_EQ(kept.output.next(), "begun");
  worker.post(fn<&Everything::fail_one_way>, "nobody waits");
  auto queued = worker.call(fn<&Everything::add>, 1, 2);
  computing.cancel();
  auto const error = failures.wait_for_first();
  EXPECT_EQ(error.kind(), ErrorKind::kDisconnected);
  EXPECT_EQ(error.exception_type(), "std::runtime_error");
  EXPECT_TRUE(contains(error.reason(), "nobody waits"));
  EXPECT_TRUE(contains(error.where().function, "fail_one_way"));
  EXPECT_EQ(error.where().worker, worker.id());
  EXPECT_EQ(error.where().host, worker.host());
  EXPECT_EQ(error.where().pid, worker.pid());
  EXPECT_TRUE(worker.wait_until_ended(kBound));
  if (!in_process()) {
    ASSERT_TRUE(error.exit());
    EXPECT_EQ(error.exit()->exit_code, 70);
  }
  for (auto const& pending :
       {error_of([&] { queued.get(); }), error_of([&] { all_of(kept.output); })}) {
    EXPECT_EQ(pending.kind(), ErrorKind::kDisconnected);
    EXPECT_EQ(pending.exception_type(), error.exception_type());
    EXPECT_EQ(pending.reason(), error.reason());
  }
  EXPECT_EQ(error_of([&] { worker.call(fn<&Everything::add>, 1, 2).get(); }).kind(),
            ErrorKind::kDisconnected);
  EXPECT_EQ(times_told(), 1u);
}

TEST_P(Failing, WithoutATextIsToldByItsType) {
  auto const worker = start();
  auto const other = cohort::connect(cluster(), worker.ref(), "other");
  auto kept = other.open(fn<&Everything::keep>);
  kept.result.get();
  worker.post(fn<&Everything::fail_oddly>);
  for (auto const& error : {failures.wait_for_first(), error_of([&] { all_of(kept.output); }),
                            error_of([&] { worker.call(fn<&Everything::add>, 1, 2).get(); })}) {
    EXPECT_EQ(error.kind(), ErrorKind::kDisconnected);
    EXPECT_EQ(error.exception_type(), "int");
  }
}

TEST_P(Failing, OfTwoCallsSideBySideIsToldOnce) {
  auto const crowd = start_with<Crowd>({});
  crowd.post(fn<&Crowd::meet_and_fail>, 2);
  crowd.post(fn<&Crowd::meet_and_fail>, 2);
  EXPECT_TRUE(contains(failures.wait_for_first().reason(), "after a meeting"));
  EXPECT_TRUE(crowd.wait_until_ended(kBound));
  EXPECT_EQ(times_told(), 1u);
}

TEST_P(Failing, IsToldToAllWhoAreConnected) {
  auto const worker = start();
  auto const other = cohort::connect(cluster(), worker.ref(), "other");
  auto kept = other.open(fn<&Everything::keep>);
  kept.result.get();
  worker.post(fn<&Everything::fail_one_way>, "nobody waits");
  for (auto const& error : {error_of([&] { all_of(kept.output); }),
                            error_of([&] { other.call(fn<&Everything::add>, 1, 2).get(); })}) {
    EXPECT_EQ(error.kind(), ErrorKind::kDisconnected);
    EXPECT_EQ(error.exception_type(), "std::runtime_error");
    EXPECT_TRUE(contains(error.reason(), "nobody waits"));
  }
  EXPECT_TRUE(other.wait_until_ended(kBound));
}

TEST_P(Failing, IsLoggedWhereOnFailureThrowsItself) {
  SpawnOptions const throwing{
      .on_failure = [](Error const&) { throw std::runtime_error("in on_failure"); }};
  auto const worker = in_process() ? cohort::serve<Everything>(cluster(), throwing, 0)
                                   : cohort::spawn_one<Everything>(cluster(), throwing, 0);
  auto const here = cohort::serve<Everything>(cluster(), {}, 0);  // its log is this process's
  auto records = here.log(cohort::LogLevel::kError);
  worker.post(fn<&Everything::fail_one_way>, "nobody waits");
  EXPECT_TRUE(worker.wait_until_ended(kBound));
  auto const record = records.next();
  ASSERT_TRUE(record);
  EXPECT_EQ(record->text, "on_failure threw std::runtime_error: in on_failure");
  EXPECT_EQ(start(1).call(fn<&Everything::add>, 1, 1).get(), 3) << "the master lives on";
}

TEST_P(FailingProcess, OfACallbackEndsTheWorkerAndIsToldToOnFailure) {
  auto const worker = start();
  auto const pid = worker.pid();
  auto kept = worker.open(fn<&Everything::keep>);
  auto open = worker.open(fn<&Everything::fail_in_a_callback>);
  open.result.get();
  auto computing = worker.call(fn<&Everything::compute_until_stopped>);
  EXPECT_EQ(kept.output.next(), "begun");
  auto queued = worker.call(fn<&Everything::add>, 1, 2);
  open.input.write(1);
  open.input.flush();
  auto const error = failures.wait_for_first();
  EXPECT_EQ(error.kind(), ErrorKind::kDisconnected);
  EXPECT_EQ(error.exception_type(), "std::runtime_error");
  EXPECT_TRUE(contains(error.reason(), "too much in a callback"));
  EXPECT_EQ(error.where().worker, worker.id());
  EXPECT_EQ(error.where().host, worker.host());
  EXPECT_EQ(error.where().pid, pid);
  for (auto const& pending :
       {error_of([&] { queued.get(); }), error_of([&] { all_of(kept.output); })}) {
    EXPECT_EQ(pending.kind(), ErrorKind::kDisconnected);
    EXPECT_EQ(pending.exception_type(), error.exception_type());
    EXPECT_EQ(pending.reason(), error.reason());
  }
  EXPECT_TRUE(worker.wait_until_ended(kBound));
  ASSERT_TRUE(worker.exit_report());
  EXPECT_EQ(worker.exit_report()->exit_code, 70);
  EXPECT_EQ(launch_test::occurrences("too much in a callback", error.what()), 1u)
      << "the worker's stderr is the master's, which tells of it: " << error.what();
  EXPECT_EQ(times_told(), 1u);
}

TEST_P(FailingProcess, KeepsItsExitCodeThoughAnotherClientDoesNotReadItsAnswers) {
  options.settings.shutdown_timeout = 1s;
  auto const worker = start();
  auto const other = bare_client(cluster(), worker);
  auto const questions = calls_of_settings(200'000);  // whose answers fill the socket, and more
  other.send(questions);
  worker.post(fn<&Everything::fail_one_way>, "nobody waits");
  auto const error = failures.wait_for_first();
  EXPECT_TRUE(contains(error.reason(), "nobody waits"));
  ASSERT_TRUE(error.exit());
  EXPECT_EQ(error.exit()->exit_code, 70);
}

TEST_P(FailingProcess, IsToldThoughNobodyReadsTheLineThatSaysSo) {
  options.settings.shutdown_timeout = 500ms;
  auto const held =
      cohort::spawn_in_foreground<Everything>(cluster(), {.on_failure = failures.listener()}, 0);
  held.worker.call(fn<&Everything::print>, "", std::string(64 << 10, 'x')).get();  // it is full
  held.worker.post(fn<&Everything::fail_one_way>, "nobody waits");
  auto const error = failures.wait_for_first();
  EXPECT_TRUE(contains(error.reason(), "nobody waits"));
  ASSERT_TRUE(error.exit());
  EXPECT_EQ(error.exit()->exit_code, 70);
}

TEST_P(FailingProcess, IsNotToWaitForAClientThatAsksOnAndDoesNotReadItsAnswers) {
  auto const worker = start();
  auto records = worker.log(cohort::LogLevel::kWarning);
  auto const other = bare_client(cluster(), worker);
  auto const questions = calls_of_settings(50'000);
  // Until the worker hangs up.
  for (int i = 0; i < 40; ++i) other.send(questions);
  auto const record = records.next();
  ASSERT_TRUE(record);
  EXPECT_TRUE(contains(record->text, "it does not read the answers to its calls"));
  static_cast<void>(other.read_to_end());  // it was hung up on
  EXPECT_EQ(worker.call(fn<&Everything::add>, 1, 2).get(), 3);
  EXPECT_EQ(times_told(), 0u);
}

TEST_P(FailingProcess, IsNotToWaitForAClientThatShowsThatItLivesAndReadsNothing) {
  options.settings.heartbeat_interval = 200ms;
  auto const timeout = launch_test::kSanitized ? 5000ms : 2000ms;
  options.settings.heartbeat_timeout = timeout;
  auto const worker = start();
  auto records = worker.log(cohort::LogLevel::kWarning);
  auto const other = client_that_reads_nothing(cluster(), worker);
  std::jthread const shows_that_it_lives([&](std::stop_token const& stop) {
    auto const heartbeat = bytes_of({.kind = cohort::FrameKind::kHeartbeat});
    for (; !stop.stop_requested(); std::this_thread::sleep_for(100ms)) {
      other.send(heartbeat);
    }
  });
  auto const record = records.next();
  ASSERT_TRUE(record);
  EXPECT_TRUE(contains(record->text, "it has read nothing for " + std::to_string(timeout.count()) +
                                         " ms (heartbeat_timeout)"));
  EXPECT_EQ(worker.call(fn<&Everything::add>, 1, 2).get(), 3);
  EXPECT_EQ(times_told(), 0u);
}

TEST_P(FailingProcess, OnAnyThreadOfTheWorkerIsToldWithItsText) {
  TempDir const dir;
  auto const file = dir.path() / "stderr";
  auto const worker =
      start_with<Everything>({.redirect_stderr = cohort::Redirect::append(file)}, 0);
  auto const pid = worker.pid();
  auto kept = worker.open(fn<&Everything::keep>);
  kept.result.get();
  for (auto const& error :
       {error_of([&] { worker.call(fn<&Everything::die_on_a_thread>, "boom").get(); }),
        error_of([&] { all_of(kept.output); }), failures.wait_for_first()}) {
    EXPECT_EQ(error.kind(), ErrorKind::kDisconnected);
    EXPECT_EQ(error.exception_type(), "std::runtime_error");
    EXPECT_TRUE(contains(error.reason(), "boom"));
    ASSERT_TRUE(error.exit());
    EXPECT_EQ(error.exit()->signal, SIGABRT);
    EXPECT_EQ(error.where().worker, worker.id());
    EXPECT_EQ(error.where().host, worker.host());
    EXPECT_EQ(error.where().pid, pid);
  }
  EXPECT_EQ(launch_test::occurrences("boom", launch_test::read_file(file)), 1u);
  EXPECT_EQ(times_told(), 1u);
}

TEST_P(FailingProcess, OnAnyThreadOfTheWorkerIsToldToAllWhoAreConnected) {
  auto const worker = start();
  auto const other = cohort::connect(cluster(), worker.ref(), "other");
  auto kept = other.open(fn<&Everything::keep>);
  kept.result.get();
  worker.post(fn<&Everything::die_on_a_thread>, "boom");
  auto const error = error_of([&] { all_of(kept.output); });
  EXPECT_EQ(error.exception_type(), "std::runtime_error");
  EXPECT_TRUE(contains(error.reason(), "boom"));
}

TEST_P(FailingProcess, OfTheProcessIsToldToEveryCallAndStreamAndOnce) {
  for (int const signal : {SIGKILL, SIGSEGV, SIGBUS, SIGABRT}) {
    // A sanitizer catches these two, and exits.
    bool const caught = signal == SIGSEGV || signal == SIGBUS;
    if (caught && launch_test::kSanitized) continue;
    Failures told;
    auto const worker =
        cohort::spawn_one<Everything>(cluster(), {.on_failure = told.listener()}, 0);
    worker.call(fn<&Everything::print>, "", "last words\n").get();
    auto kept = worker.open(fn<&Everything::keep>);
    kept.result.get();
    auto subscribed = worker.open(fn<&Everything::answer_first>);
    subscribed.result.get();
    std::optional subscription(std::move(kept.output).subscribe([](std::string const&) {}));
    auto death = worker.call(fn<&Everything::raise>, signal);
    auto behind = worker.call(fn<&Everything::add>, 1, 1);

    auto const error = error_of([&] { death.get(); });
    EXPECT_EQ(error.kind(), ErrorKind::kDisconnected);
    ASSERT_TRUE(error.exit()) << error.what();
    EXPECT_EQ(error.exit()->signal, signal);
    EXPECT_TRUE(contains(error.exit()->stderr_tail, "last words"));
    for (auto const& pending :
         {error_of([&] { behind.get(); }), error_of([&] { subscription->wait(); }), error_of([&] {
            for (;;) subscribed.input.write(1);
          })}) {
      EXPECT_EQ(pending.kind(), ErrorKind::kDisconnected);
      ASSERT_TRUE(pending.exit()) << pending.what();
      EXPECT_EQ(pending.exit()->signal, signal);
    }
    subscription.reset();
    EXPECT_EQ(told.wait_for_first().exit()->signal, signal);
    EXPECT_TRUE(worker.wait_until_ended(kBound));
    EXPECT_EQ(times_told(told), 1u);
  }
}

TEST_P(FailingProcess, FromWithinIsToldWithWhatItWas) {
  struct Death {
    char const* how;
    char const* text;
    std::optional<int> signal;
    std::optional<int> code;
  };
  for (auto const& death :
       {Death{"assertion", "the_world_is_flat", SIGABRT, {}},
        Death{"terminate", "terminate", SIGABRT, {}}, Death{"stack", "SIGSEGV", SIGSEGV, {}},
        Death{"exit", "exited with code 3", {}, 3}}) {
    SCOPED_TRACE(death.how);
    // A sanitizer catches it, and exits.
    if (death.signal == SIGSEGV && launch_test::kSanitized) continue;
    Failures told;
    auto const worker =
        cohort::spawn_one<Everything>(cluster(), {.on_failure = told.listener()}, 0);
    auto const call = error_of([&] { worker.call(fn<&Everything::die>, death.how).get(); });
    EXPECT_EQ(call.kind(), ErrorKind::kDisconnected);
    auto const error = told.wait_for_first();
    EXPECT_TRUE(contains(error.what(), death.text));
    ASSERT_TRUE(error.exit());
    EXPECT_EQ(error.exit()->signal, death.signal);
    EXPECT_EQ(error.exit()->exit_code, death.code);
    EXPECT_TRUE(contains(error.exit()->stderr_tail, "last words"));
    if (death.how == std::string("terminate")) {
      EXPECT_EQ(launch_test::occurrences("std::terminate was called", error.what()), 1u)
          << error.what();
    }
    EXPECT_TRUE(worker.wait_until_ended(kBound));
    EXPECT_EQ(times_told(told), 1u);
  }
}

TEST_P(FailingProcess, OfASessionsDestructorIsToldWithItsText) {
  auto const worker = start();
  { auto const other = cohort::connect(cluster(), worker.ref(), "thrower"); }
  auto const error = failures.wait_for_first();
  EXPECT_TRUE(contains(error.what(), "a session that throws at its end"));
  EXPECT_EQ(error.exit()->signal, SIGABRT);
  EXPECT_EQ(error_of([&] { worker.call(fn<&Everything::add>, 1, 1).get(); }).kind(),
            ErrorKind::kDisconnected);
  EXPECT_TRUE(worker.wait_until_ended(kBound));
  EXPECT_EQ(times_told(), 1u);
}

TEST_P(FailingProcess, OutOfMemoryIsToldToTheCallerAlone) {
  if (launch_test::kSanitized) GTEST_SKIP() << "a sanitizer needs its own memory";
  auto const worker = start();
  constexpr std::uint64_t kMegabyte = 1 << 20;
  auto const error = error_of(
      [&] { worker.call(fn<&Everything::allocate>, 4096 * kMegabyte, 2048 * kMegabyte).get(); });
  EXPECT_EQ(error.kind(), ErrorKind::kFailed);
  EXPECT_EQ(error.exception_type(), "std::bad_alloc");
  EXPECT_EQ(worker.call(fn<&Everything::allocate>, kMegabyte, 2048 * kMegabyte).get(), kMegabyte);
  EXPECT_EQ(times_told(), 0u);
}

TEST_P(FailingProcess, CutsAStreamWithAnErrorNeverWithASilentEnd) {
  for (std::int64_t const n : {std::int64_t{0}, std::int64_t{1}, std::int64_t{10'000}}) {
    Failures told;
    auto const worker =
        cohort::spawn_one<Everything>(cluster(), {.on_failure = told.listener()}, 0);
    auto stream = worker.stream(fn<&Everything::count_then_die>, n);
    std::int64_t next = 0;
    auto const error = error_of([&] {
      for (auto const value : stream) EXPECT_EQ(value, next++);
    });
    EXPECT_EQ(error.kind(), ErrorKind::kDisconnected);
    EXPECT_EQ(next, n) << "what was sent before the death is delivered";
    EXPECT_EQ(stream.reason(), CloseReason::kFailed);
    EXPECT_TRUE(worker.wait_until_ended(kBound));
    EXPECT_EQ(told.wait_for_first().exit()->signal, SIGKILL);
    EXPECT_EQ(times_told(told), 1u);
  }
}

TEST_P(FailingProcess, InTheMiddleOfALargeResultGivesAllOfItOrNone) {
  std::uint64_t const count = launch_test::kSanitized ? 1 << 20 : 8 << 20;
  for (int i = 0; i < 5; ++i) {
    Failures told;
    auto const worker =
        cohort::spawn_one<Everything>(cluster(), {.on_failure = told.listener()}, 0);
    worker.call(fn<&Everything::ones>, count).get();
    auto large = worker.call(fn<&Everything::ones>, count);
    std::this_thread::sleep_for(i * 10ms);  // the moment is the point, not to wait for it
    worker.kill();
    try {
      EXPECT_EQ(large.get(), std::vector<double>(count, 1.0));
    } catch (Error const& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kDisconnected);
    }
    EXPECT_EQ(told.wait_for_first().exit()->signal, SIGKILL);
    EXPECT_EQ(times_told(told), 1u);
  }
}

TEST_P(FailingProcess, CutsAStreamThatItWritesToAnotherWorker) {
  auto const reading = start();
  auto const writing = start();
  auto feeding = writing.call(fn<&Everything::feed>, reading.ref());
  auto const received = [&] { return reading.call(fn<&Everything::received>).get(); };
  EXPECT_TRUE(eventually([&] { return received() > 1000; }));
  ::kill(writing.pid(), SIGKILL);
  EXPECT_EQ(error_of([&] { feeding.get(); }).kind(), ErrorKind::kDisconnected);
  EXPECT_TRUE(eventually(
      [&] { return reading.call(fn<&Everything::how_the_last_stream_ended>).get() == "failed"; }));
  EXPECT_EQ(failures.wait_for_first().where().worker, writing.id());
  EXPECT_EQ(times_told(), 1u);
}

TEST_P(FailingProcess, IsToldToItsOtherClientsByTheEndOfTheirConnection) {
  auto const worker = start();
  auto const other = cohort::connect(cluster(), worker.ref(), "other");
  auto kept = other.open(fn<&Everything::keep>);
  auto computing = other.call(fn<&Everything::compute_until_stopped>);
  EXPECT_EQ(kept.output.next(), "begun");
  ::kill(worker.pid(), SIGKILL);
  EXPECT_EQ(error_of([&] { computing.get(); }).kind(), ErrorKind::kDisconnected);
  EXPECT_EQ(error_of([&] { all_of(kept.output); }).kind(), ErrorKind::kDisconnected);
  EXPECT_TRUE(other.wait_until_ended(kBound));
  EXPECT_FALSE(other.alive());
  EXPECT_TRUE(worker.wait_until_ended(kBound));
  EXPECT_EQ(times_told(), 1u);
}

TEST_P(FailingProcess, OfMemoryForAnArgumentEndsTheWorkerWhichSaysSo) {
  if (launch_test::kSanitized) GTEST_SKIP() << "a sanitizer needs its own memory";
  auto const worker = start();
  constexpr std::uint64_t kMegabyte = 1 << 20;
  worker.call(fn<&Everything::allocate>, kMegabyte, 1024 * kMegabyte).get();
  auto kept = worker.open(fn<&Everything::keep>);
  kept.result.get();
  std::vector<double> const large(160 << 20);  // 1280 MiB
  auto const error = error_of([&] { worker.call(fn<&Everything::echo>, large).get(); });
  EXPECT_EQ(error_of([&] { all_of(kept.output); }).reason(), error.reason());
  EXPECT_EQ(error.kind(), ErrorKind::kDisconnected);
  ASSERT_TRUE(error.exit()) << error.what();
  EXPECT_EQ(error.exit()->exit_code, 69);
  EXPECT_TRUE(contains(error.reason(), "no memory for a message of 13421"));
  EXPECT_EQ(failures.wait_for_first().reason(), error.reason());
  EXPECT_EQ(times_told(), 1u);
}

TEST_P(FailingProcess, OfAHangingProcessIsNoticedByItsHeartbeat) {
  bool const slow = launch_test::kSanitized;
  options.settings.heartbeat_interval = 50ms;
  options.settings.heartbeat_timeout = slow ? 2s : 500ms;
  auto const worker = start();
  auto stream = worker.stream(fn<&Everything::count>, std::int64_t{1} << 60);
  EXPECT_EQ(stream.next(), 0);
  ::kill(worker.pid(), SIGSTOP);
  EXPECT_EQ(error_of([&] { all_of(stream); }).kind(), ErrorKind::kDisconnected);
  EXPECT_TRUE(contains(failures.wait_for_first().what(), "heartbeat_timeout"));
  EXPECT_TRUE(worker.wait_until_ended(kBound));
}

TEST_P(FailingProcess, ThatHangsBeforeItsFirstHeartbeatIsNoticedToo) {
  options.settings.heartbeat_interval = 500ms;
  options.settings.heartbeat_timeout = 1500ms;
  auto const streaming = start();  // keeps this process awake, so that nobody has to wake it
  auto const numbers =
      streaming.stream(fn<&Everything::count>, std::int64_t{1} << 60).subscribe([](std::int64_t) {
      });
  auto const worker = start();
  EXPECT_EQ(error_of([&] { worker.call(fn<&Everything::raise>, SIGSTOP).get(); }).kind(),
            ErrorKind::kDisconnected);
  EXPECT_TRUE(contains(failures.wait_for_first().what(), "heartbeat_timeout"));
}

TEST_P(FailingProcess, EndsAWorkerThatWaitsForAStreamWhenItIsAskedToEnd) {
  TempDir const dir;
  auto const start_with_stderr_in = [&](char const* file) {
    return start_with<Everything>({.redirect_stderr = cohort::Redirect::append(dir / file)}, 0);
  };
  auto const start_time = Clock::now();
  options.settings.shutdown_timeout = 20s;
  auto const writing = start_with_stderr_in("writing");
  auto stream = writing.stream(fn<&Everything::count>, std::int64_t{1} << 60);
  EXPECT_EQ(stream.next(), 0);
  auto const reading = start_with_stderr_in("reading");
  auto open = reading.open(fn<&Everything::ping_pong>);
  open.input.write(1);
  EXPECT_EQ(open.output.next(), 2);
  writing.shut_down();
  reading.shut_down();
  EXPECT_TRUE(writing.wait_until_ended(kBound));
  EXPECT_TRUE(reading.wait_until_ended(kBound));
  EXPECT_LT(Clock::now() - start_time, 15s);
  EXPECT_EQ(error_of([&] { all_of(stream); }).kind(), ErrorKind::kDisconnected);
  EXPECT_EQ(error_of([&] { open.result.get(); }).kind(), ErrorKind::kDisconnected);
  for (char const* file : {"writing", "reading"}) {
    EXPECT_TRUE(contains(launch_test::read_file(dir / file), "the stream threw: cancelled"));
  }
  EXPECT_EQ(times_told(), 0u);
}

}  // namespace
}  // namespace conformance
