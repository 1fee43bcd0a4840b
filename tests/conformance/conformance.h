// The fixture of the conformance suite: each test runs once for every place where workers can be.
// A new transport or launcher becomes one more place, and must pass unchanged.
#pragma once

#include <algorithm>
#include <filesystem>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "launch/start_plan.h"
#include "tests/conformance/workers.h"
#include "tests/launch/support.h"

namespace conformance {

using cohort::Clock;
using cohort::Error;
using cohort::ErrorKind;
using cohort::fn;
using cohort::SpawnOptions;
using cohort::Worker;
using launch_test::contains;
using launch_test::descriptors_of;
using launch_test::error_of;
using launch_test::eventually;
using launch_test::Failures;
using launch_test::Holdings;
using launch_test::is_gone;
using launch_test::kBound;

using launch_test::TempDir;
using namespace std::chrono_literals;

struct Place {
  char const* name;
  cohort::ClusterOptions options;
  bool in_process = false;  ///< served by a thread of the test rather than spawned
};
inline void PrintTo(Place const& place, std::ostream* out) { *out << place.name; }

/// Of this program: local_places.cpp, mpi_places.cpp, ranks_places.cpp.
[[nodiscard]] std::vector<Place> places();
[[nodiscard]] inline std::vector<Place> process_places() {
  auto with_processes = places();
  std::erase_if(with_processes, [](Place const& place) { return place.in_process; });
  return with_processes;
}

class Conformance : public testing::TestWithParam<Place> {
 protected:
  /// What MPI sets up with its first worker stays.
  void SetUp() override {
    if (!over_mpi()) return;
    cohort::Cluster first(kTypes, options);
    static_cast<void>(cohort::spawn_one<Everything>(first, {}, 0));
  }
  [[nodiscard]] bool in_process() const { return GetParam().in_process; }
  [[nodiscard]] bool on_ranks() const {
    return GetParam().options.launcher == cohort::Launcher::kRanks;
  }
  [[nodiscard]] bool over_mpi() const { return is_over_mpi(GetParam().options.launcher); }

  /// A rank's process stays for the next worker. While it is none, it has no control connection.
  [[nodiscard]] bool is_no_worker(pid_t pid) const {
    return is_gone(pid) ||
           (on_ranks() && !std::filesystem::exists("/proc/" + std::to_string(pid) + "/fd/" +
                                                   std::to_string(cohort::kFirstPassedOn + 2)));
  }
  /// With a rank that dies goes the connection to its agent.
  [[nodiscard]] testing::AssertionResult nothing_is_left(
      launch_test::Holdings const& before) const {
    return launch_test::nothing_is_left(before, on_ranks());
  }
  /// MPI keeps a socket for each worker that it has lost.
  [[nodiscard]] testing::AssertionResult nothing_is_left_but_mpis(
      launch_test::Holdings const& before) const {
    if (!over_mpi()) return nothing_is_left(before);
    auto const children = [&] { return Holdings::now().children == before.children; };
    if (eventually(children)) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "children are left over or lost";
  }
  /// Those of other launchers are grandchildren, or mpirun's.
  [[nodiscard]] bool no_worker_is_left() const {
    auto const family = launch_test::descendants_of(on_ranks() ? ::getppid() : ::getpid());
    return std::none_of(family.begin(), family.end(), [this](pid_t pid) {
      return launch_test::has_variable(pid, cohort::kWorkerVariable) && !is_no_worker(pid);
    });
  }

  template <class W, class... Init>
  Worker<W> start_with(SpawnOptions how, Init&&... init) {
    how.on_failure = failures.listener();
    if (in_process()) return cohort::serve<W>(cluster(), how, std::forward<Init>(init)...);
    return cohort::spawn_one<W>(cluster(), std::move(how), std::forward<Init>(init)...);
  }
  Worker<Everything> start(int init = 0) { return start_with<Everything>({}, init); }

  cohort::Cluster& cluster() {
    if (!cluster_) cluster_ = std::make_unique<cohort::Cluster>(kTypes, options);
    return *cluster_;
  }
  /// Ends all workers.
  void end_cluster() { cluster_.reset(); }
  /// How many failures were told, when none can come any more: ends all workers.
  [[nodiscard]] std::size_t times_told(Failures const& told) {
    end_cluster();
    return told.count();
  }
  [[nodiscard]] std::size_t times_told() { return times_told(failures); }

  cohort::ClusterOptions options = GetParam().options;
  Failures failures;

 private:
  std::unique_ptr<cohort::Cluster> cluster_;
};

/// For workers that have a process of their own.
class ProcessConformance : public Conformance {};

template <class T>
std::vector<T> all_of(Stream<T>& stream) {
  std::vector<T> elements;
  for (auto& element : stream) elements.push_back(std::move(element));
  return elements;
}

inline std::string name_of(testing::TestParamInfo<Place> const& test) { return test.param.name; }
#define COHORT_EACH_PLACE(suite) \
  INSTANTIATE_TEST_SUITE_P(At, suite, testing::ValuesIn(places()), &name_of)
#define COHORT_EACH_PROCESS_PLACE(suite) \
  INSTANTIATE_TEST_SUITE_P(At, suite, testing::ValuesIn(process_places()), &name_of)

}  // namespace conformance
