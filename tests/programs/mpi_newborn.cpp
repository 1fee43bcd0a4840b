// Workers over MPI that die at random instants of their way to life, three side by side; after each
// three one that is left in peace, which has to answer. Prints how many of those did.
//   mpi_newborn [SEED] --workers mpi:4 --mpi-oversubscribe
#include <array>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <thread>

#include <cohort/cohort.hpp>
#include <sys/time.h>

namespace {

using std::chrono::microseconds;

/// In a worker: so many microseconds after its start a signal ends it, wherever it is by then.
[[gnu::constructor]] void die_soon() {
  char const* const value = std::getenv("NEWBORN_DIES_AFTER");
  if (value == nullptr) return;
  itimerval soon{};
  soon.it_value.tv_usec = std::atoi(value) % 1'000'000;
  soon.it_value.tv_sec = std::atoi(value) / 1'000'000;
  ::setitimer(ITIMER_REAL, &soon, nullptr);
}

class Adder {
 public:
  int add(int a, int b) { return a + b; }
  using Functions = cohort::FunctionList<&Adder::add>;
};

/// What is wrong with it; nothing where it came to life, and answered.
std::string trouble_with_one(cohort::Cluster& cluster, cohort::SpawnOptions options) try {
  options.on_failure = [](cohort::Error const&) {};
  auto const worker = cohort::spawn_one<Adder>(cluster, std::move(options));
  return worker.call(cohort::fn<&Adder::add>, 1, 2).get() == 3 ? "" : "a wrong answer";
} catch (cohort::Error const& error) {
  return error.what();
}

int master(cohort::Cluster& cluster, int count, char** arguments) {
  char const* const wanted = std::getenv("COHORT_TEST_ROUNDS");
  int const rounds = wanted != nullptr ? std::atoi(wanted) : 12;
  std::mt19937 random(count > 1 ? static_cast<unsigned>(std::atoi(arguments[1])) : 1);
  int answered = 0;
  auto start = std::chrono::steady_clock::now();
  if (auto const trouble = trouble_with_one(cluster, {}); !trouble.empty()) {
    std::cout << trouble << std::endl;
    return 1;
  }
  for (int round = 0; round < rounds; ++round) {
    // As long as it takes on this machine, now, and some more.
    auto const took = std::chrono::steady_clock::now() - start;
    auto const most = std::chrono::duration_cast<microseconds>(took).count() * 3 / 2;
    std::uniform_int_distribution<long> when(1, most);
    std::array<std::thread, 3> threads;
    for (auto& thread : threads) {
      cohort::SpawnOptions options;
      options.environment["NEWBORN_DIES_AFTER"] = std::to_string(when(random));
      thread = std::thread(
          [&cluster, options] { static_cast<void>(trouble_with_one(cluster, options)); });
    }
    for (auto& thread : threads) thread.join();
    start = std::chrono::steady_clock::now();
    auto const trouble = trouble_with_one(cluster, {});
    answered += trouble.empty();
    if (!trouble.empty()) std::cout << "round " << round << ": " << trouble << std::endl;
  }
  std::cout << (answered == rounds ? "every one" : "not every one") << " of " << rounds
            << " that were left in peace has answered" << std::endl;
  return answered == rounds ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  return cohort::start_app_with_arguments<Adder>(argc, argv, master);
}
