// A pool whose workers are killed all the time, at random instants: each task has its one right
// result all the same. Prints how many rounds, each of another seed, ended so.
//   pool_fire [FIRST-SEED] --workers mpi:4
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <random>
#include <ranges>
#include <thread>
#include <utility>
#include <vector>

#include <cohort/jobs.hpp>
#include <unistd.h>

namespace {

using std::chrono::milliseconds;

constexpr int kTasks = 600;
constexpr int kKills = 12;

class Squarer {
 public:
  std::pair<int, int> square(int x) {
    std::this_thread::sleep_for(milliseconds(2));
    return {x * x, ::getpid()};
  }
  using Functions = cohort::FunctionList<&Squarer::square>;
};

/// Nothing where all is right.
std::string trouble(cohort::Cluster& cluster, unsigned seed) try {
  std::array<std::atomic<int>, 8> seen{};  // pids of workers that have answered lately
  cohort::Pool<Squarer> pool(
      cluster, {.spawn = {.on_failure = [](cohort::Error const&) {}}, .losses_to_give_up = 50});
  std::jthread const killer([&](std::stop_token const& stop) {
    std::mt19937 random(seed);
    std::uniform_int_distribution<int> pause(1, 120);
    std::uniform_int_distribution<std::size_t> which(0, seen.size() - 1);
    for (int i = 0; i < kKills && !stop.stop_requested();) {
      std::this_thread::sleep_for(milliseconds(pause(random)));
      int const pid = seen[which(random)].exchange(0);
      if (pid == 0) continue;
      ::kill(pid, SIGKILL);
      ++i;
    }
  });
  std::vector<int> times(kTasks, 0);
  std::size_t count = 0;
  for (auto& [place, result] :
       pool.map_unordered(cohort::fn<&Squarer::square>, std::views::iota(0, kTasks))) {
    auto const x = static_cast<int>(place);
    if (result.first != x * x) return "task " + std::to_string(x) + " has a wrong result";
    ++times[place];
    seen[count++ % seen.size()].store(result.second);
  }
  for (int x = 0; x < kTasks; ++x) {
    if (times[static_cast<std::size_t>(x)] != 1) {
      return "task " + std::to_string(x) + " has " +
             std::to_string(times[static_cast<std::size_t>(x)]) + " results";
    }
  }
  return {};
} catch (std::exception const& error) {
  return error.what();
}

int master(cohort::Cluster& cluster, int count, char** arguments) {
  char const* const wanted = std::getenv("COHORT_TEST_ROUNDS");
  int const rounds = wanted != nullptr ? std::atoi(wanted) : 3;
  auto const first = count > 1 ? static_cast<unsigned>(std::atoi(arguments[1])) : 1U;
  int right = 0;
  for (int round = 0; round < rounds; ++round) {
    auto const seed = first + static_cast<unsigned>(round);
    auto const what = trouble(cluster, seed);
    if (what.empty()) ++right;
    if (!what.empty()) std::cout << "seed " << seed << ": " << what << std::endl;
  }
  std::cout << right << " of " << rounds << " rounds were right" << std::endl;
  return right == rounds ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace

int main(int argc, char** argv) {
  return cohort::start_app_with_arguments<Squarer>(argc, argv, master);
}
