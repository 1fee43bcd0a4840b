// Sessions, built-in functions, workers that call and spawn workers (parity A2, A11 to A14).
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <sstream>
#include <thread>

#include "tests/conformance/conformance.h"
#include "transports/socket.h"

namespace conformance {
namespace {

/// Set as long as it lives; no other thread may run yet.
class EnvironmentVariable {
 public:
  EnvironmentVariable(char const* name, char const* value) : name_(name) {
    ::setenv(name, value, 1);
  }
  EnvironmentVariable(EnvironmentVariable const&) = delete;
  EnvironmentVariable& operator=(EnvironmentVariable const&) = delete;
  ~EnvironmentVariable() { ::unsetenv(name_); }

 private:
  char const* name_;
};

class Sessions : public Conformance {};
COHORT_EACH_PLACE(Sessions);

TEST_P(Sessions, AreOfOneConnectionEach) {
  auto const worker = start();
  worker.open_session("anna");
  auto const other = cohort::connect(cluster(), worker.ref(), "bert");
  EXPECT_EQ(worker.call(fn<&Everything::greet>).get(), "anna1");
  EXPECT_EQ(other.call(fn<&Everything::greet>).get(), "bert1");
  EXPECT_EQ(worker.call(fn<&Everything::greet>).get(), "anna2");
  EXPECT_EQ(worker.call(fn<&Everything::sessions>).get(), 2);
}

TEST_P(Sessions, AreDestroyedWithTheirConnection) {
  auto const worker = start();
  { auto const other = cohort::connect(cluster(), worker.ref(), "bert"); }
  EXPECT_TRUE(eventually([&] { return worker.call(fn<&Everything::sessions>).get() == 0; }));
}

TEST_P(Sessions, LetGoOfTheirClientsSocketWhileAFunctionComputes) {
  auto const worker = start();
  auto const ref = worker.ref();
  std::optional<Worker<Everything>> early(cohort::connect(cluster(), ref, "early"));
  auto kept = worker.open(fn<&Everything::keep>);
  kept.result.get();
  auto computing = worker.call(fn<&Everything::compute_until_stopped>);
  EXPECT_EQ(kept.output.next(), "begun");
  auto const before = descriptors_of(worker.pid());
  early.reset();  // its session has to wait for the function, its socket has not
  for (int i = 0; i < 50; ++i) {
    auto const monitor = cohort::connect(cluster(), ref);
    EXPECT_EQ(monitor.settings(), worker.settings());
  }
  EXPECT_TRUE(eventually([&] { return descriptors_of(worker.pid()) < before; }, 5s))
      << descriptors_of(worker.pid()) << " after " << before;
  EXPECT_FALSE(computing.ready());
  computing.cancel();
  EXPECT_TRUE(eventually([&] { return worker.call(fn<&Everything::sessions>).get() == 0; }));
}

TEST_P(Sessions, FailTheirConnectionAloneWhereTheConstructorThrows) {
  auto const worker = start();
  worker.open_session("anna");
  auto const error =
      error_of([&] { static_cast<void>(cohort::connect(cluster(), worker.ref(), "nobody")); });
  EXPECT_EQ(error.kind(), ErrorKind::kFailed);
  EXPECT_EQ(error.reason(), "a session for nobody");
  EXPECT_EQ(worker.call(fn<&Everything::greet>).get(), "anna1");
  EXPECT_EQ(times_told(), 0u);
}

TEST_P(Sessions, TakeThePlaceOfTheOneBeforeUnlessTheirConstructorThrows) {
  auto const worker = start();
  worker.open_session("anna");
  EXPECT_EQ(worker.call(fn<&Everything::greet>).get(), "anna1");
  auto const error = error_of([&] { worker.open_session("nobody"); });
  EXPECT_EQ(error.kind(), ErrorKind::kFailed);
  EXPECT_EQ(error.exception_type(), "std::invalid_argument");
  EXPECT_EQ(error.where().worker, worker.id());
  EXPECT_EQ(worker.call(fn<&Everything::greet>).get(), "anna2");
  worker.open_session("bert");
  EXPECT_EQ(worker.call(fn<&Everything::greet>).get(), "bert1");
  EXPECT_EQ(worker.call(fn<&Everything::sessions>).get(), 1);
}

TEST_P(Sessions, AreAskedForWhereAFunctionTakesOne) {
  auto const worker = start();
  auto const error = error_of([&] { worker.call(fn<&Everything::greet>).get(); });
  EXPECT_EQ(error.kind(), ErrorKind::kRefused);
  EXPECT_TRUE(contains(error.what(), "Session"));
}

TEST_P(Sessions, WithoutAnInitAreThereFromTheStart) {
  auto const crowd = start_with<Crowd>({});
  auto const other = cohort::connect(cluster(), crowd.ref());
  EXPECT_EQ(crowd.call(fn<&Crowd::count_calls>).get(), 1);
  EXPECT_EQ(crowd.call(fn<&Crowd::count_calls>).get(), 2);
  EXPECT_EQ(other.call(fn<&Crowd::count_calls>).get(), 1);
}

TEST_P(Sessions, LetAWorkerCallAnotherDirectly) {
  auto const first = start();
  auto const second = start();
  EXPECT_EQ(second.call(fn<&Everything::greet_by>, first.ref(), "second").get(), "second1");
  EXPECT_TRUE(eventually([&] { return first.call(fn<&Everything::sessions>).get() == 0; }));
}

TEST_P(Sessions, AreRefusedOnceTheServerIsClosed) {
  auto const worker = start();
  auto const ref = worker.ref();
  auto const before = cohort::connect(cluster(), ref, "early");
  worker.close_server();
  EXPECT_EQ(error_of([&] { static_cast<void>(cohort::connect(cluster(), ref, "late")); }).kind(),
            ErrorKind::kDisconnected);
  EXPECT_EQ(error_of([&] { static_cast<void>(worker.ref()); }).kind(), ErrorKind::kFailed);
  EXPECT_EQ(before.call(fn<&Everything::greet>).get(), "early1") << "those that are there stay";
}

TEST_P(Sessions, EndWithTheWorkerWhoeverAsksForThat) {
  auto worker = start();
  auto const other = cohort::connect(cluster(), worker.ref(), "other");
  other.shut_down();
  EXPECT_TRUE(worker.wait_until_ended(kBound));
  EXPECT_TRUE(other.wait_until_ended(kBound));
  EXPECT_EQ(error_of([&] { other.call(fn<&Everything::greet>).get(); }).kind(),
            ErrorKind::kDisconnected);
  EXPECT_EQ(times_told(), 0u);
}

TEST_P(Sessions, AreAnsweredByTheServerWhileAFunctionComputes) {
  auto const worker = start();
  auto kept = worker.open(fn<&Everything::keep>);
  kept.result.get();
  auto computing = worker.call(fn<&Everything::compute_until_stopped>);
  EXPECT_EQ(kept.output.next(), "begun");
  EXPECT_EQ(worker.settings(), options.settings);
  auto const ref = worker.ref();
  auto const other = cohort::connect(cluster(), ref);
  EXPECT_EQ(other.settings(), options.settings);
  static_cast<void>(worker.log());
  worker.close_server();
  EXPECT_EQ(error_of([&] { static_cast<void>(worker.ref()); }).kind(), ErrorKind::kFailed);
  EXPECT_FALSE(computing.ready()) << "nobody waited for the function";
  computing.cancel();
  EXPECT_EQ(worker.call(fn<&Everything::add>, 1, 2).get(), 3);
}

TEST_P(Sessions, LetNobodyElseKillTheWorker) {
  auto const worker = start();
  auto const other = cohort::connect(cluster(), worker.ref(), "other");
  EXPECT_EQ(error_of([&] { other.kill(); }).kind(), ErrorKind::kRefused);
}

TEST_P(Sessions, AreNotDroppedByTheHandleWithWhoseConnectionTheWorkerWouldEnd) {
  auto const worker = start();
  auto under_way = worker.call(fn<&Everything::compute_for>, 50ms);
  auto const error = error_of([&] { worker.drop_connection(); });
  EXPECT_EQ(error.kind(), ErrorKind::kRefused);
  EXPECT_TRUE(contains(error.what(), "only a connection that connect() made can be dropped"));
  EXPECT_EQ(error.where().worker, worker.id());
  under_way.get();
  EXPECT_TRUE(worker.alive());
  auto const client = cohort::connect(cluster(), worker.ref(), "steady");
  client.drop_connection();
  EXPECT_FALSE(client.alive());
  EXPECT_EQ(worker.call(fn<&Everything::add>, 1, 1).get(), 2);
  EXPECT_EQ(times_told(), 0u);
}

TEST_P(Sessions, AreOpenedAnewByAManagedHandleThatLostItsConnection) {
  auto const worker = start();
  int losses = 0;
  cohort::Managed<Everything, std::string> managed(
      cluster(), worker.ref(), [&] { ++losses; }, "steady");
  EXPECT_EQ(managed.call(fn<&Everything::greet>).get(), "steady1");
  auto const loud = cohort::adapt(
      fn<&Everything::greet>, [] { return std::tuple(); },
      [](std::string const& greeting) { return greeting + '!'; });
  EXPECT_EQ(managed.call(loud).get(), "steady2!");
  auto const connection = managed.connected();
  connection->drop_connection();
  EXPECT_EQ(error_of([&] { connection->call(fn<&Everything::greet>).get(); }).kind(),
            ErrorKind::kDisconnected);
  EXPECT_EQ(managed.call(fn<&Everything::greet>).get(), "steady1") << "a new session";
  EXPECT_EQ(losses, 1);
  worker.close_server();
  managed.connected()->drop_connection();
  EXPECT_EQ(error_of([&] { managed.call(fn<&Everything::greet>).get(); }).kind(),
            ErrorKind::kDisconnected);
  EXPECT_EQ(losses, 2);
}

TEST_P(Sessions, TellAManagedHandleOfTheirLossThoughNobodyCalls) {
  auto const worker = start();
  std::atomic<int> losses{0};
  cohort::Managed<Everything, std::string> managed(
      cluster(), worker.ref(), [&] { ++losses; }, "steady");
  EXPECT_EQ(managed.call(fn<&Everything::greet>).get(), "steady1");
  EXPECT_EQ(losses, 0);
  managed.connected()->drop_connection();
  EXPECT_TRUE(eventually([&] { return losses == 1; })) << "without a call";
  EXPECT_EQ(managed.call(fn<&Everything::greet>).get(), "steady1");
  worker.shut_down();
  EXPECT_TRUE(eventually([&] { return losses == 2; })) << "the worker's end";
}

TEST_P(Sessions, LogWhatTheCallbackThrowsThatHearsOfTheirLoss) {
  auto const worker = start();
  auto const here = cohort::serve<Everything>(cluster(), {}, 0);
  auto records = here.log(cohort::LogLevel::kError);
  cohort::Managed<Everything, std::string> managed(
      cluster(), worker.ref(), [] { throw std::runtime_error("lost, and how"); }, "steady");
  managed.connected()->drop_connection();
  ASSERT_TRUE(records.wait_for(kBound));
  EXPECT_EQ(records.next()->text, "on_loss of a Managed threw std::runtime_error: lost, and how");
  EXPECT_EQ(managed.call(fn<&Everything::greet>).get(), "steady1") << "goes on";
}

TEST_P(Sessions, LoseWhatIsUnderWayWithTheirConnectionAndDoNotRepeatIt) {
  auto const worker = start();
  auto kept = worker.open(fn<&Everything::keep>);
  kept.result.get();
  cohort::Managed<Everything, std::string> managed(cluster(), worker.ref(), {}, "steady");
  EXPECT_EQ(managed.call(fn<&Everything::greet>).get(), "steady1");
  auto computing = worker.call(fn<&Everything::compute_until_stopped>);
  EXPECT_EQ(kept.output.next(), "begun");
  auto queued = managed.call(fn<&Everything::note>, 100);
  managed.connected()->drop_connection();
  EXPECT_EQ(error_of([&] { queued.get(); }).kind(), ErrorKind::kDisconnected);
  computing.cancel();
  EXPECT_EQ(managed.call(fn<&Everything::greet>).get(), "steady1");
  EXPECT_LE(worker.call(fn<&Everything::received>).get(), 101) << "once at most";
}

TEST_P(Sessions, ConnectOnceForAllThreadsThatUseAManagedHandle) {
  auto const worker = start();
  std::atomic<int> losses{0};
  cohort::Managed<Everything, std::string> managed(
      cluster(), worker.ref(), [&] { ++losses; }, "steady");
  managed.connected()->drop_connection();
  std::atomic<int> right{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&, i] {
        if (managed.call(fn<&Everything::add>, i, 1).get() == i + 1) ++right;
      });
    }
  }
  EXPECT_EQ(right, 8);
  EXPECT_EQ(losses, 1);
  EXPECT_EQ(worker.call(fn<&Everything::sessions>).get(), 1);
}

TEST_P(Sessions, MayBeUsedByHandlesThatOutliveTheCluster) {
  auto const worker = start();
  auto const served = cohort::serve<Everything>(cluster(), {}, 5);
  auto const other = cohort::connect(cluster(), worker.ref(), "other");
  cohort::Managed<Everything, std::string> managed(cluster(), worker.ref(), {}, "steady");
  EXPECT_EQ(managed.call(fn<&Everything::greet>).get(), "steady1");
  end_cluster();
  EXPECT_EQ(served.call(fn<&Everything::add>, 1, 2).get(), 8);
  if (in_process()) return;  // it was served, too
  EXPECT_EQ(error_of([&] { other.call(fn<&Everything::add>, 1, 2).get(); }).kind(),
            ErrorKind::kDisconnected);
  EXPECT_EQ(error_of([&] { managed.call(fn<&Everything::add>, 1, 2).get(); }).kind(),
            ErrorKind::kDisconnected);
}

TEST_P(Sessions, MayBeOpenedAnewByTheCallbackThatHearsOfTheLoss) {
  auto const worker = start();
  cohort::Managed<Everything, std::string>* handle = nullptr;
  std::vector<std::string> greetings;
  cohort::Managed<Everything, std::string> managed(
      cluster().runtime(), worker.ref(),
      [&] { greetings.push_back(handle->call(fn<&Everything::greet>).get()); }, "steady");
  handle = &managed;
  EXPECT_EQ(managed.call(fn<&Everything::greet>).get(), "steady1");
  managed.connected()->drop_connection();
  EXPECT_EQ(managed.call(fn<&Everything::greet>).get(), "steady2") << "the callback was first";
  EXPECT_EQ(greetings, std::vector<std::string>{"steady1"});
}

/// A server that takes no client, for what connect() makes of it.
TEST_P(Sessions, AreLostRatherThanRefusedWhereTheServerDiesDuringTheHandshake) {
  options.settings.handshake_timeout = 500ms;
  auto ref = start().ref();
  auto [socket, endpoint] = cohort::listen_unix(1);
  ref.address.endpoint = endpoint;
  std::jthread const dies([listener = socket.get()] {
    std::optional<cohort::UniqueFd> client;
    while (!client) client = cohort::accept_connection(listener);
    char hello = 0;
    static_cast<void>(cohort::receive_exactly(client->get(), &hello, 1, cohort::Deadline::never()));
  });
  EXPECT_EQ(error_of([&] { static_cast<void>(cohort::connect(cluster(), ref)); }).kind(),
            ErrorKind::kDisconnected);
}

TEST_P(Sessions, AreTimedOutWhereTheServersQueueStaysFull) {
  options.settings.handshake_timeout = 300ms;
  auto ref = start().ref();
  auto const [socket, endpoint] = cohort::listen_unix(0);
  ref.address.endpoint = endpoint;
  auto const first = cohort::connect_to(endpoint, cohort::Deadline::never());  // fills the queue
  EXPECT_EQ(error_of([&] { static_cast<void>(cohort::connect(cluster(), ref)); }).kind(),
            ErrorKind::kTimedOut);
}

TEST_P(Sessions, ReadTheSettingsBack) {
  options.settings.heartbeat_interval = 1234ms;
  cohort::Settings own = options.settings;
  own.stream_window = 77'777;
  EXPECT_EQ(start().settings(), options.settings) << "inherited";
  EXPECT_EQ(start_with<Everything>({.settings = own}, 0).settings(), own);
}

TEST_P(Sessions, UseTheSettingsOfTheServerThatTheyConnectTo) {
  cohort::Settings small = options.settings;
  small.max_message_size = 4096;
  auto const worker = start_with<Everything>({.settings = small}, 0);
  auto const guest = cohort::connect(cluster(), worker.ref(), "guest");
  auto const error =
      error_of([&] { guest.call(fn<&Everything::echo>, std::vector<double>(1000)).get(); });
  EXPECT_EQ(error.kind(), ErrorKind::kRefused) << error.what();
  EXPECT_TRUE(contains(error.reason(), "max_message_size = 4096"));
  EXPECT_EQ(guest.call(fn<&Everything::add>, 1, 2).get(), 3);
}

TEST_P(Sessions, ReadBackASettingOfTheEnvironmentThatWinsOverTheProgram) {
  EnvironmentVariable const window("COHORT_STREAM_WINDOW", "77777");
  cohort::Settings own;
  own.stream_window = 88'888;
  for (auto const& how : {SpawnOptions{}, SpawnOptions{.settings = own}}) {
    auto const worker = start_with<Everything>(how, 0);
    EXPECT_EQ(worker.settings().stream_window, 77'777u);
    EXPECT_EQ(worker.call(fn<&Everything::variable>, "COHORT_STREAM_WINDOW").get(), "77777");
  }
}

TEST_P(Sessions, SubscribeToTheLogOfAWorker) {
  auto const worker = start();
  auto const other = cohort::connect(cluster(), worker.ref(), "other");
  auto mine = worker.log(cohort::LogLevel::kWarning);
  auto theirs = other.log(cohort::LogLevel::kDebug);
  worker.call(fn<&Everything::say>, cohort::LogLevel::kInfo, "chatter").get();
  worker.call(fn<&Everything::say>, cohort::LogLevel::kError, "trouble").get();
  auto const record = mine.next();
  ASSERT_TRUE(record);
  EXPECT_EQ(record->text, "trouble");
  EXPECT_EQ(record->level, cohort::LogLevel::kError);
  EXPECT_EQ(record->pid, worker.call(fn<&Everything::pid>).get());
  EXPECT_EQ(theirs.next()->text, "chatter");
  EXPECT_EQ(theirs.next()->text, "trouble");
}

TEST_P(Sessions, EndTheLogWithAnErrorWhenTheWorkerEnds) {
  auto const worker = start();
  auto const other = cohort::connect(cluster(), worker.ref(), "other");
  auto records = other.log(cohort::LogLevel::kWarning);
  other.call(fn<&Everything::say>, cohort::LogLevel::kWarning, "the last").get();
  worker.shut_down();
  EXPECT_EQ(records.next()->text, "the last");
  EXPECT_EQ(error_of([&] { static_cast<void>(records.next()); }).kind(), ErrorKind::kDisconnected);
}

TEST_P(Sessions, CapTheLogAndSayHowMuchIsLost) {
  auto const worker = start();
  auto const begin = Clock::now();
  auto records = worker.log(cohort::LogLevel::kInfo, 2);
  int said = 0;
  int told = 0;
  std::uint32_t lost = 0;
  ASSERT_TRUE(eventually([&] {
    worker.call(fn<&Everything::say>, cohort::LogLevel::kInfo, std::to_string(said++)).get();
    for (; records.wait_for(0ms); ++told) {
      auto const record = *records.next();
      lost += record.lost;
      EXPECT_EQ(std::to_string(told + lost), record.text) << "all others were lost";
    }
    return lost > 0;
  }));
  EXPECT_LE(told, 2 * ((Clock::now() - begin) / 1s + 2));
}

class SessionsOfAProcess : public ProcessConformance {};
COHORT_EACH_PROCESS_PLACE(SessionsOfAProcess);

TEST_P(SessionsOfAProcess, EndItInAnOrderlyWayThoughItsFunctionComputesOn) {
  options.settings.shutdown_timeout = 300ms;
  auto const worker = start();
  auto const other = cohort::connect(cluster(), worker.ref(), "other");
  auto computing = worker.call(fn<&Everything::compute_for>, std::chrono::milliseconds(600s));
  auto const idle = launch_test::cpu_ticks(worker.pid());
  ASSERT_TRUE(eventually([&] { return launch_test::cpu_ticks(worker.pid()) > idle + 3; }));
  other.shut_down();
  EXPECT_EQ(error_of([&] { computing.get(); }).reason(), "the worker was shut down");
  EXPECT_TRUE(worker.wait_until_ended(kBound));
  ASSERT_TRUE(worker.exit_report());
  EXPECT_EQ(worker.exit_report()->exit_code, 69);
  EXPECT_EQ(times_told(), 0u);
}

class Families : public Conformance {};
COHORT_EACH_PLACE(Families);

TEST_P(Families, LetAWorkerHaveWorkersOfItsOwn) {
  auto const worker = start(5);
  EXPECT_EQ(worker.call(fn<&Everything::add_by_own_worker>, 1, 2).get(), 8);
}

TEST_P(Families, InheritASettingOfTheEnvironment) {
  EnvironmentVariable const window("COHORT_STREAM_WINDOW", "77777");
  auto const worker = start();
  EXPECT_EQ(worker.call(fn<&Everything::settings_of_own_worker>).get().stream_window, 77'777u);
}

TEST_P(Families, InheritTheSettingsOfTheirHead) {
  cohort::Settings own = options.settings;
  own.stream_window = 77'777;
  auto const worker = start_with<Everything>({.settings = own}, 0);
  EXPECT_EQ(worker.call(fn<&Everything::settings_of_own_worker>).get(), own);
}

std::vector<pid_t> pids_of(std::string const& chain) {
  std::vector<pid_t> pids;
  std::istringstream words(chain);
  for (std::string word; words >> word;) pids.push_back(std::stoi(word.substr(word.find(':') + 1)));
  return pids;
}

TEST_P(Families, CountTheirMembersInOneTree) {
  auto const first = start();
  auto const second = start();
  auto const chain = second.call(fn<&Everything::chain>, 2).get();
  std::istringstream words(chain);
  std::vector<std::string> ids;
  for (std::string word; words >> word;) ids.push_back(word.substr(0, word.find(':')));
  EXPECT_EQ(ids, (std::vector<std::string>{"2", "2.1", "2.1.1"}));
}

class FamiliesOfProcesses : public ProcessConformance {};
COHORT_EACH_PROCESS_PLACE(FamiliesOfProcesses);

TEST_P(FamiliesOfProcesses, DieWithTheirHeadHoweverItDies) {
  for (int const signal : {SIGKILL, SIGSEGV, SIGTERM}) {
    auto const worker = start();
    auto const pids = pids_of(worker.call(fn<&Everything::chain>, 2).get());
    ASSERT_EQ(pids.size(), 3u);
    auto const begin = Clock::now();
    ::kill(pids[0], signal);
    for (auto const pid : pids) {
      EXPECT_TRUE(eventually([&] { return is_gone(pid); }, 10s)) << pid;
    }
    bool const sanitized = launch_test::kSanitized;
    EXPECT_LT(Clock::now() - begin, sanitized ? 3s : 1s) << "the whole tree";
  }
}

TEST_P(FamiliesOfProcesses, EndThoughTheirHeadWaitsForAWorkerThatHangsInItsConstructor) {
  auto const before = Holdings::now();
  options.settings.shutdown_timeout = 1s;
  std::optional<Worker<Everything>> worker(start());
  auto call = worker->call(fn<&Everything::wait_for_own_worker_that_hangs>);
  auto const head = worker->pid();
  ASSERT_TRUE(eventually([&] { return !launch_test::children_of(head).empty(); }));
  auto const child = launch_test::children_of(head).front();
  ASSERT_TRUE(launch_test::rests(child));
  worker->shut_down();  // a handle that goes would leave the call its time
  worker.reset();
  EXPECT_EQ(error_of([&] { call.get(); }).kind(), ErrorKind::kDisconnected);
  EXPECT_EQ(times_told(), 0u);
  EXPECT_TRUE(eventually([&] { return is_gone(child); }));
  EXPECT_TRUE(nothing_is_left(before));
}

TEST_P(FamiliesOfProcesses, EndWithTheirHeadInAnOrderlyWay) {
  std::vector<pid_t> pids;
  {
    auto const worker = start();
    pids = pids_of(worker.call(fn<&Everything::chain>, 2).get());
  }
  end_cluster();
  for (auto const pid : pids) EXPECT_TRUE(is_no_worker(pid));
  EXPECT_EQ(times_told(), 0u);
}

}  // namespace
}  // namespace conformance
