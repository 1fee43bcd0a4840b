// Pools over real worker processes. The test program is also the workers' executable.
#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <new>
#include <numeric>
#include <ranges>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <cohort/jobs.hpp>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launch/command_line.h"
#include "tests/support/folder.h"
#include "tests/support/waiting.h"

namespace {

using cohort::fn;
using cohort::test::Folder;

/// How a task that kills its worker marks that it did so once: a file named by the test.
struct TaskInit {
  int bias = 0;
  std::string folder{};
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& bias& folder;
  }
};

class Tasks {
 public:
  using Init = TaskInit;
  Tasks(TaskInit init, cohort::WorkerContext const& context)
      : init_(std::move(init)), index_(context.index), count_(context.count) {}

  int square(int x) const { return x * x; }
  int add(int x, int y) const { return x + y + init_.bias; }
  double inverse(int x) const { return 1.0 / (x + 1); }
  double sum(double left, double right) const { return left + right; }
  std::string word(int x) const { return std::to_string(x) + ' '; }
  std::string join(std::string left, std::string const& right) const { return left + right; }
  int odd_only(int x) const {
    if (x % 2 == 0) throw std::invalid_argument("even: " + std::to_string(x));
    return x;
  }
  std::optional<int> find(int x) const { return x == 5000 ? std::optional(2 * x) : std::nullopt; }
  std::optional<int> find_or_compute_for_ever(int x, std::stop_token stop) const {
    if (x == 3) return x;
    while (!stop.stop_requested()) std::this_thread::yield();
    return std::nullopt;
  }
  std::pair<unsigned, unsigned> place() const { return {index_, count_}; }
  std::pair<unsigned, unsigned> place_of_task(int) const { return place(); }
  int die_once(int x) const {
    auto const mark = init_.folder + "/" + std::to_string(x);
    if (x % 10 == 3 && !std::filesystem::exists(mark)) {
      std::ofstream(mark).close();
      std::raise(SIGKILL);
    }
    return x;
  }
  int poison(int x) const {
    if (x == 7) std::raise(SIGKILL);
    return x;
  }
  void mark(int x) const { std::ofstream(init_.folder + "/" + std::to_string(x)).close(); }
  void refuse_seven(int x) const {
    if (x == 7) throw std::invalid_argument("seven");
  }
  /// Ends its worker once `folder` has a file "go"; says that it waits for that by "waiting".
  int die_on_go(int) const {
    std::ofstream(init_.folder + "/waiting").close();
    while (!std::filesystem::exists(init_.folder + "/go")) std::this_thread::yield();
    std::raise(SIGKILL);
    return 0;
  }
  int slow_first(int x) const {
    if (x == 0) std::this_thread::sleep_for(std::chrono::milliseconds(200));
    return x;
  }

  using Functions = cohort::FunctionList<&Tasks::square, &Tasks::add, &Tasks::inverse, &Tasks::sum,
                                         &Tasks::word, &Tasks::join, &Tasks::odd_only, &Tasks::find,
                                         &Tasks::find_or_compute_for_ever, &Tasks::place_of_task,
                                         &Tasks::die_once, &Tasks::poison, &Tasks::slow_first,
                                         &Tasks::mark, &Tasks::refuse_seven, &Tasks::die_on_go>;

 private:
  TaskInit init_;
  unsigned index_;
  unsigned count_;
};

/// A result that does not decode where its value says so, by what it throws.
struct Hostile {
  int value = 0;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& value;
    if constexpr (Archive::is_loading::value) {
      if (value == 7) throw 7;
      if (value == 8) throw std::bad_alloc();
      if (value == 9) throw std::runtime_error("nine");
    }
  }
};

class HostileResults {
 public:
  Hostile give(int x) const { return {x}; }
  std::optional<Hostile> find(int x) const {
    return x == 7 ? std::optional(Hostile{x}) : std::nullopt;
  }
  Hostile add(Hostile left, Hostile right) const { return {left.value + right.value}; }

  using Functions =
      cohort::FunctionList<&HostileResults::give, &HostileResults::find, &HostileResults::add>;
};

constexpr auto kTypes = cohort::app_types<Tasks, HostileResults>;

class PoolTest : public testing::TestWithParam<cohort::Transport> {
 protected:
  cohort::Cluster cluster_{kTypes, {.transport = GetParam()}};

  cohort::Pool<Tasks> pool(std::uint32_t workers, TaskInit init = {}) {
    return cohort::Pool<Tasks>(
        cluster_, {.spawn = {.count = workers, .on_failure = count_deaths()}}, std::move(init));
  }
  std::function<void(cohort::Error const&)> count_deaths() {
    return [this](cohort::Error const&) { deaths_.fetch_add(1); };
  }

  std::atomic<int> deaths_{0};
};

INSTANTIATE_TEST_SUITE_P(Transports, PoolTest,
                         testing::Values(cohort::Transport::kUnix, cohort::Transport::kTcp),
                         [](auto const& tested) {
                           return tested.param == cohort::Transport::kUnix ? "unix" : "tcp";
                         });

TEST_P(PoolTest, MapsInTheOrderOfTheInputs) {
  auto workers = pool(3);
  int expected = 0;
  for (int square : workers.map(fn<&Tasks::square>, std::views::iota(0, 2000))) {
    ASSERT_EQ(square, expected * expected);
    ++expected;
  }
  EXPECT_EQ(expected, 2000);
}

TEST_P(PoolTest, IsNothingToAForkedChild) {
  auto workers = std::make_unique<cohort::Pool<Tasks>>(
      cluster_, cohort::PoolOptions{.spawn = {.count = 2}}, TaskInit{});
  auto const child = ::fork();
  if (child == 0) {
    bool refused = false;
    try {
      for (int square : workers->map(fn<&Tasks::square>, std::views::iota(0, 4))) {
        static_cast<void>(square);
      }
    } catch (cohort::Error const& error) {
      refused = error.kind() == cohort::ErrorKind::kRefused;
    }
    workers.reset();
    ::_exit(refused ? 0 : 1);
  }
  int status = -1;
  EXPECT_TRUE(
      cohort::test::eventually([&] { return ::waitpid(child, &status, WNOHANG) == child; }));
  if (status == -1) ::kill(child, SIGKILL);
  EXPECT_EQ(status, 0);
  int const sum =
      workers->map_reduce(fn<&Tasks::square>, fn<&Tasks::add>, std::views::iota(0, 3)).value();
  EXPECT_EQ(sum, 5);
}

TEST_P(PoolTest, MapsTuplesOntoSeveralParameters) {
  auto workers = pool(2, {.bias = 100});
  std::vector<std::tuple<int, int>> const inputs{{1, 2}, {3, 4}};
  std::vector<int> sums;
  for (int sum : workers.map(fn<&Tasks::add>, inputs)) sums.push_back(sum);
  EXPECT_EQ(sums, (std::vector{103, 107}));
}

TEST_P(PoolTest, MapUnorderedGivesEachResultWithItsIndexOnce) {
  auto workers = pool(3);
  std::set<std::size_t> seen;
  for (auto& result : workers.map_unordered(fn<&Tasks::square>, std::views::iota(10, 1010))) {
    auto const input = static_cast<int>(result.index) + 10;
    EXPECT_EQ(result.value, input * input);
    EXPECT_TRUE(seen.insert(result.index).second);
  }
  EXPECT_EQ(seen.size(), 1000U);
}

TEST_P(PoolTest, TakesInputsLazilyWithABoundedNumberInFlight) {
  auto workers = pool(2);
  std::size_t taken = 0;
  std::size_t given = 0;
  cohort::Generated<int> inputs([&]() -> std::optional<int> { return static_cast<int>(taken++); });
  for (int x : workers.map(fn<&Tasks::slow_first>, std::move(inputs))) {
    EXPECT_EQ(x, static_cast<int>(given));
    ++given;
    ASSERT_LE(taken - given, 2U * 2U * 4U + 2U);
    if (given == 500) break;  // the inputs have no end
  }
  EXPECT_EQ(given, 500U);
}

TEST_P(PoolTest, FindMapGivesTheHitAndStopsAtIt) {
  auto workers = pool(3);
  std::size_t taken = 0;
  cohort::Generated<int> inputs([&]() -> std::optional<int> { return static_cast<int>(taken++); });
  auto const found = workers.find_map(fn<&Tasks::find>, std::move(inputs));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->index, 5000U);
  EXPECT_EQ(found->value, 10000);
  EXPECT_LT(taken, 5100U);
}

TEST_P(PoolTest, FindMapGivesNothingWhereNothingIsFound) {
  auto workers = pool(2);
  EXPECT_FALSE(workers.find_map(fn<&Tasks::find>, std::views::iota(0, 100)));
}

TEST_P(PoolTest, FindMapStopsTheOtherWorkersFunctions) {
  auto workers = pool(3);
  auto const found = workers.find_map(fn<&Tasks::find_or_compute_for_ever>, std::views::iota(2, 5));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->value, 3);
  // Only a worker that was stopped can answer again.
  for (int square : workers.map(fn<&Tasks::square>, std::views::iota(0, 30))) EXPECT_GE(square, 0);
}

TEST_P(PoolTest, OrderedReduceIsTheSameToTheBitOnAnyNumberOfWorkers) {
  auto const inputs = std::views::iota(0, 1237);
  auto one = pool(1);
  auto seven = pool(7);
  auto const a = one.map_reduce(fn<&Tasks::inverse>, fn<&Tasks::sum>, inputs);
  auto const b = seven.map_reduce(fn<&Tasks::inverse>, fn<&Tasks::sum>, inputs);
  ASSERT_TRUE(a && b);
  EXPECT_EQ(*a, *b);
  EXPECT_NEAR(*a, 7.6985, 1e-3);
}

TEST_P(PoolTest, OrderedReduceNeedsOnlyAssociativity) {
  auto workers = pool(3);
  auto const text =
      workers.map_reduce(fn<&Tasks::word>, fn<&Tasks::join>, std::views::iota(0, 200));
  std::string expected;
  for (int i = 0; i < 200; ++i) expected += std::to_string(i) + ' ';
  EXPECT_EQ(text, expected);
}

TEST_P(PoolTest, CommutativeReduceUsesEveryInput) {
  auto workers = pool(3);
  auto const sum = workers.map_reduce_commutative(fn<&Tasks::inverse>, fn<&Tasks::sum>,
                                                  std::views::iota(0, 500));
  ASSERT_TRUE(sum);
  EXPECT_NEAR(*sum, 6.7928, 1e-3);
}

TEST_P(PoolTest, NoInputsGiveNoResults) {
  auto workers = pool(2);
  std::vector<int> const none;
  for ([[maybe_unused]] int x : workers.map(fn<&Tasks::square>, none)) FAIL();
  EXPECT_FALSE(workers.map_reduce(fn<&Tasks::inverse>, fn<&Tasks::sum>, none));
  EXPECT_FALSE(workers.map_reduce_commutative(fn<&Tasks::inverse>, fn<&Tasks::sum>, none));
}

TEST_P(PoolTest, AnExceptionIsThrownWhereTheResultWouldHaveCome) {
  auto workers = pool(2);
  try {
    for (int x : workers.map(fn<&Tasks::odd_only>, std::vector{1, 3, 4, 5})) EXPECT_EQ(x % 2, 1);
    FAIL();
  } catch (cohort::Error const& error) {
    EXPECT_EQ(error.kind(), cohort::ErrorKind::kFailed);
    EXPECT_EQ(error.reason(), "even: 4");
    EXPECT_EQ(error.exception_type(), "std::invalid_argument");
  }
  // The pool is as good as before.
  for (int x : workers.map(fn<&Tasks::odd_only>, std::vector{7})) EXPECT_EQ(x, 7);
}

TEST_P(PoolTest, MapOutcomesGivesErrorsAsElements) {
  auto workers = pool(2);
  int good = 0;
  int bad = 0;
  for (auto& outcome : workers.map_outcomes(fn<&Tasks::odd_only>, std::views::iota(0, 100))) {
    ASSERT_EQ(outcome.ok(), outcome.index() % 2 == 1);
    outcome.ok() ? ++good : ++bad;
    if (!outcome.ok()) {
      EXPECT_EQ(outcome.error().kind(), cohort::ErrorKind::kFailed);
    }
  }
  EXPECT_EQ(good, 50);
  EXPECT_EQ(bad, 50);
}

TEST_P(PoolTest, SeveralOperationsMayBeUnderWayAtOnce) {
  auto workers = pool(2);
  auto outer = workers.map(fn<&Tasks::square>, std::views::iota(0, 50));
  int expected = 0;
  for (int square : outer) {
    auto const inner =
        workers.map_reduce(fn<&Tasks::inverse>, fn<&Tasks::sum>, std::views::iota(0, 5));
    ASSERT_TRUE(inner);
    EXPECT_EQ(square, expected * expected);
    ++expected;
  }
  EXPECT_EQ(expected, 50);
}

TEST_P(PoolTest, RunsTheTasksOfALostWorkerAgainOnAnother) {
  Folder const folder;
  auto workers = pool(3, {.folder = folder.path()});
  int expected = 0;
  for (int x : workers.map(fn<&Tasks::die_once>, std::views::iota(0, 60))) {
    ASSERT_EQ(x, expected++);
  }
  EXPECT_EQ(expected, 60);
  // Every place is filled again, by a worker that knows its place.
  ASSERT_TRUE(cohort::test::eventually([&] { return workers.working() == 3; }));
  std::set<std::pair<unsigned, unsigned>> places;
  for (auto const& place : workers.map(fn<&Tasks::place_of_task>, std::views::iota(0, 60))) {
    places.insert(place);
  }
  EXPECT_EQ(places, (std::set<std::pair<unsigned, unsigned>>{{0, 3}, {1, 3}, {2, 3}}));
}

TEST_P(PoolTest, ATaskThatKillsItsWorkersIsGivenUpAndTheRestIsDone) {
  auto workers = pool(3);
  std::set<std::size_t> done;
  std::set<std::size_t> lost;
  for (auto& outcome : workers.map_outcomes(fn<&Tasks::poison>, std::views::iota(0, 40))) {
    (outcome.ok() ? done : lost).insert(outcome.index());
    if (!outcome.ok()) {
      EXPECT_EQ(outcome.error().kind(), cohort::ErrorKind::kDisconnected);
      ASSERT_TRUE(outcome.error().exit());
      EXPECT_EQ(outcome.error().exit()->signal, SIGKILL);
    }
  }
  EXPECT_EQ(done.size() + lost.size(), 40U);
  EXPECT_TRUE(lost.contains(7));
  EXPECT_EQ(lost.size(), 1U) << "a task that only shared a worker with the poison was given up";
}

TEST_P(PoolTest, RefusesToHaveNoTaskInFlight) {
  try {
    cohort::Pool<Tasks> workers(cluster_, {.spawn = {.count = 1}, .in_flight = 0}, TaskInit{});
    FAIL();
  } catch (std::invalid_argument const& error) {
    EXPECT_NE(std::string(error.what()).find("PoolOptions::in_flight is 0"), std::string::npos);
  }
}

TEST_P(PoolTest, BlamesNoTaskOfAnotherOperationForALostWorker) {
  Folder const folder;
  cohort::Pool<Tasks> workers(
      cluster_, {.spawn = {.count = 1, .on_failure = count_deaths()}, .losses_to_give_up = 1},
      TaskInit{0, folder.path()});
  cohort::ErrorKind killers_end{};
  std::thread killer([&] {
    std::vector<int> const one{0};
    for (auto& outcome : workers.map_outcomes(fn<&Tasks::die_on_go>, one)) {
      if (!outcome.ok()) killers_end = outcome.error().kind();
    }
  });
  EXPECT_TRUE(cohort::test::eventually([&] { return folder.has("waiting"); }));
  // This operation's tasks wait behind the killer: when the third input is asked for, the first is
  // on its way.
  int asked = 0;
  cohort::Generated<int> inputs([&]() -> std::optional<int> {
    if (asked == 2) folder.put("go");
    return asked < 5 ? std::optional(asked++) : std::nullopt;
  });
  int good = 0;
  for (auto& outcome : workers.map_outcomes(fn<&Tasks::square>, std::move(inputs))) {
    EXPECT_TRUE(outcome.ok()) << outcome.error().what();
    ++good;
  }
  killer.join();
  EXPECT_EQ(good, 5);
  EXPECT_EQ(killers_end, cohort::ErrorKind::kDisconnected);
}

TEST_P(PoolTest, BlamesTheRunningTaskThoughAnotherOperationHasNotReadItsResults) {
  auto workers = pool(1);
  auto unread = workers.map(fn<&Tasks::square>, std::views::iota(0, 3));
  auto first = unread.begin();
  EXPECT_EQ(*first, 0);  // the second is answered or on its way, and nobody reads it
  int losses = 0;
  std::vector<int> const poison{7};
  for (auto& outcome : workers.map_outcomes(fn<&Tasks::poison>, poison)) {
    losses += outcome.ok() ? 0 : 1;
  }
  EXPECT_EQ(losses, 1);
  int rest = 0;
  for (++first; first != unread.end(); ++first) rest += *first;
  EXPECT_EQ(rest, 1 + 4);
  // Three workers were lost to the poison: no loss was put down to another task.
  EXPECT_TRUE(cohort::test::eventually([&] { return deaths_.load() >= 3; }));
  EXPECT_EQ(deaths_.load(), 3);
}

TEST_P(PoolTest, MapOfAFunctionThatReturnsVoidReturnsWhenAllIsDone) {
  Folder const folder;
  auto workers = pool(3, {.bias = 0, .folder = folder.path()});
  workers.map(fn<&Tasks::mark>, std::views::iota(0, 100));
  for (int x = 0; x < 100; ++x) EXPECT_TRUE(folder.has(std::to_string(x))) << x;
  EXPECT_THROW(workers.map(fn<&Tasks::refuse_seven>, std::views::iota(0, 100)), cohort::Error);
}

TEST_P(PoolTest, MapOutcomesOfAFunctionThatReturnsVoidTellsWhatBecameOfEach) {
  auto workers = pool(3);
  std::vector<std::size_t> failed;
  std::size_t good = 0;
  for (auto& outcome : workers.map_outcomes(fn<&Tasks::refuse_seven>, std::views::iota(0, 50))) {
    outcome.ok() ? void(++good) : failed.push_back(outcome.index());
    if (outcome.ok()) outcome.get();
  }
  EXPECT_EQ(good, 49U);
  EXPECT_EQ(failed, std::vector<std::size_t>{7});
}

TEST_P(PoolTest, AResultThatCannotBeTakenIsAFailureOfItsTaskAlone) {
  cohort::Pool<HostileResults> workers(cluster_, {.spawn = {.count = 2}});
  std::set<std::size_t> failed;
  std::size_t seen = 0;
  auto const inputs = std::views::iota(0, 20);
  for (auto& outcome : workers.map_outcomes(fn<&HostileResults::give>, inputs)) {
    ++seen;
    if (outcome.ok()) {
      EXPECT_EQ(outcome.get().value, static_cast<int>(outcome.index()));
    } else {
      failed.insert(outcome.index());
      EXPECT_FALSE(outcome.error().reason().empty());
    }
  }
  EXPECT_EQ(seen, 20U);
  EXPECT_EQ(failed, (std::set<std::size_t>{7, 8, 9}));
}

TEST_P(PoolTest, AResultThatCannotBeTakenIsThrownAsAnErrorByEveryOperation) {
  cohort::Pool<HostileResults> workers(cluster_, {.spawn = {.count = 2}});
  for (int const hostile : {7, 8, 9}) {
    std::vector const inputs{hostile, 1, 2};
    auto const map = [&] {
      for ([[maybe_unused]] auto& each : workers.map(fn<&HostileResults::give>, inputs)) {
      }
    };
    auto const map_unordered = [&] {
      for ([[maybe_unused]] auto& each : workers.map_unordered(fn<&HostileResults::give>, inputs)) {
      }
    };
    EXPECT_THROW(map(), cohort::Error) << hostile;
    EXPECT_THROW(map_unordered(), cohort::Error) << hostile;
    EXPECT_THROW(static_cast<void>(workers.map_reduce(fn<&HostileResults::give>,
                                                      fn<&HostileResults::add>, inputs)),
                 cohort::Error)
        << hostile;
    EXPECT_THROW(static_cast<void>(workers.map_reduce_commutative(
                     fn<&HostileResults::give>, fn<&HostileResults::add>, inputs)),
                 cohort::Error)
        << hostile;
  }
  EXPECT_THROW(static_cast<void>(workers.find_map(fn<&HostileResults::find>, std::vector{1, 7, 2})),
               cohort::Error);
  // A combined result, too: 3 + 4.
  EXPECT_THROW(static_cast<void>(workers.map_reduce(fn<&HostileResults::give>,
                                                    fn<&HostileResults::add>, std::vector{3, 4})),
               cohort::Error);
  EXPECT_EQ(
      workers.map_reduce(fn<&HostileResults::give>, fn<&HostileResults::add>, std::vector{1, 2, 3})
          ->value,
      6);
}

TEST_P(PoolTest, RangesThatAreReadASecondTimeThrow) {
  auto workers = pool(2);
  auto squares = workers.map(fn<&Tasks::square>, std::views::iota(0, 10));
  int sum = 0;
  for (int const square : squares) sum += square;
  EXPECT_EQ(sum, 285);
  EXPECT_THROW(static_cast<void>(squares.begin()), std::logic_error);
  auto moved = std::move(squares);
  EXPECT_THROW(static_cast<void>(squares.begin()), std::logic_error);
  // Also one that was left in its middle, whose rest would be taken for the whole.
  auto outcomes = workers.map_outcomes(fn<&Tasks::square>, std::views::iota(0, 10));
  for ([[maybe_unused]] auto& outcome : outcomes) break;
  EXPECT_THROW(static_cast<void>(outcomes.begin()), std::logic_error);

  cohort::Generated<int> inputs([n = 0]() mutable -> std::optional<int> {
    return n < 3 ? std::optional(n++) : std::nullopt;
  });
  std::ranges::ref_view const view(inputs);
  for (int const square : workers.map(fn<&Tasks::square>, view)) sum += square;
  EXPECT_THROW(static_cast<void>(workers.map_reduce(fn<&Tasks::inverse>, fn<&Tasks::sum>, view)),
               std::logic_error);

  auto const worker = cohort::spawn_one<Tasks>(cluster_, {}, TaskInit{});
  std::vector<cohort::Future<int>> futures;
  futures.push_back(worker.call(fn<&Tasks::square>, 3));
  auto completed = cohort::as_completed(futures);
  for ([[maybe_unused]] auto const each : completed) {
  }
  EXPECT_THROW(static_cast<void>(completed.begin()), std::logic_error);
}

TEST_P(PoolTest, WhatWasMovedFromThrowsFromEveryMember) {
  auto moved = cohort::spawn_one<Tasks>(cluster_, {}, TaskInit{});
  auto const worker = std::move(moved);
  auto const throws = [](auto const& use) { EXPECT_THROW(use(), std::logic_error); };
  throws([&] { static_cast<void>(moved.call(fn<&Tasks::square>, 1)); });
  throws([&] { moved.post(fn<&Tasks::mark>, 1); });
  throws([&] {
    auto const twice = cohort::adapt(fn<&Tasks::add>, [](int x) { return std::tuple(x, x); });
    static_cast<void>(moved.call(twice, 1));
  });
  throws([&] { static_cast<void>(moved.ref()); });
  throws([&] { static_cast<void>(moved.settings()); });
  throws([&] { moved.close_server(); });
  throws([&] { static_cast<void>(moved.log()); });
  throws([&] { static_cast<void>(moved.id()); });
  throws([&] { static_cast<void>(moved.host()); });
  throws([&] { static_cast<void>(moved.pid()); });
  throws([&] { static_cast<void>(moved.alive()); });
  throws([&] { moved.shut_down(); });
  throws([&] { moved.kill(); });
  throws([&] { moved.drop_connection(); });
  throws([&] { static_cast<void>(moved.exit_report()); });
  throws([&] { static_cast<void>(moved.wait_until_ended(std::chrono::seconds(0))); });
  EXPECT_TRUE(worker.alive());

  std::vector<cohort::Future<int>> futures;
  futures.push_back(worker.call(fn<&Tasks::square>, 3));
  auto all = cohort::when_all(std::move(futures));
  auto rest = std::move(all);
  throws([&] { static_cast<void>(all.ready()); });
  throws([&] { static_cast<void>(all.wait_for(std::chrono::seconds(0))); });
  throws([&] { all.cancel(); });
  throws([&] { static_cast<void>(all.get()); });
  EXPECT_EQ(rest.get(), std::vector{9});

  auto records = worker.log();
  auto const kept = std::move(records);
  throws([&] { static_cast<void>(records.next()); });
  throws([&] { static_cast<void>(records.begin()); });
  throws([&] { static_cast<void>(records.wait_for(std::chrono::seconds(0))); });
  throws([&] { static_cast<void>(records.reason()); });
  throws([&] { static_cast<void>(std::move(records).subscribe([](cohort::LogRecord const&) {})); });
}

}  // namespace

int main(int argc, char** argv) {
  if (cohort::is_worker_process()) return cohort::run_worker(kTypes);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
