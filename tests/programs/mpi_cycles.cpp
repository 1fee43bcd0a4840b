// Three workers stream numbers while a fourth dies again and again, each time in another way, and
// is replaced. Nothing of the streams may be lost, and the program must end with 0.
//   mpi_cycles --workers mpi:4 [ROUNDS]
#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include <cohort/cohort.hpp>
#include <mpi.h>
#include <unistd.h>

namespace {

using cohort::Error;
using cohort::fn;
using namespace std::chrono_literals;

constexpr std::array kDeaths{"SIGKILL", "SIGSEGV", "_exit", "MPI_Abort", "terminate", "SIGSTOP"};

class Worker {
 public:
  void count(cohort::Writer<std::int64_t>& out) {
    for (std::int64_t i = 0;; ++i) out.write(i);
  }
  int add(int a, int b) { return a + b; }
  void die(std::string how) {
    if (how == "SIGKILL") ::raise(SIGKILL);
    if (how == "SIGSEGV") ::raise(SIGSEGV);
    if (how == "_exit") ::_exit(3);
    if (how == "MPI_Abort") MPI_Abort(MPI_COMM_WORLD, 5);
    if (how == "terminate") std::terminate();
    if (how == "SIGSTOP") ::raise(SIGSTOP);
  }
  using Functions = cohort::FunctionList<&Worker::count, &Worker::add, &Worker::die>;
};

/// A worker's numbers, each looked at.
struct Numbers {
  std::atomic<std::int64_t> seen{0};
  std::atomic<bool> broken{false};
  cohort::Subscription subscription;
};

void demand(bool holds, std::string const& what) {
  if (!holds) throw std::runtime_error(what);
}

/// Waits until all of them have gone on by so many.
void wait_for_more(std::vector<std::unique_ptr<Numbers>> const& streams) {
  for (auto const& each : streams) {
    auto const before = each->seen.load();
    auto const deadline = cohort::Deadline::after(20s);
    while (each->seen.load() < before + 1000) {
      demand(!deadline.passed(), "a stream stands still at " + std::to_string(each->seen.load()));
      std::this_thread::sleep_for(1ms);
    }
    demand(!each->broken, "an element of a stream was lost or doubled");
  }
}

int run(cohort::Cluster& cluster, int rounds) {
  auto const streaming = cohort::spawn<Worker>(cluster, {.count = 3});
  std::vector<std::unique_ptr<Numbers>> streams;
  for (auto const& worker : streaming) {
    auto& numbers = *streams.emplace_back(std::make_unique<Numbers>());
    numbers.subscription = worker.stream(fn<&Worker::count>).subscribe([&](std::int64_t value) {
      if (value != numbers.seen++) numbers.broken = true;
    });
  }
  std::atomic<int> told{0};
  for (int round = 0; round < rounds; ++round) {
    std::string const how = kDeaths[static_cast<std::size_t>(round) % kDeaths.size()];
    auto const victim = cohort::spawn_one<Worker>(cluster, {.on_failure = [&](Error const& error) {
                                                    std::cerr << error.headline() << '\n';
                                                    ++told;
                                                  }});
    demand(victim.call(fn<&Worker::add>, round, 1).get() == round + 1, "a wrong sum");
    try {
      victim.call(fn<&Worker::die>, how).get();
      demand(false, "it lives on after " + how);
    } catch (Error const& error) {
      demand(error.kind() == cohort::ErrorKind::kDisconnected, error.what());
    }
    demand(victim.wait_until_ended(20s), "its process stays after " + how);
    wait_for_more(streams);
  }
  demand(told == rounds, std::to_string(told) + " ends were told of " + std::to_string(rounds));
  std::cout << rounds << " cycles, nothing lost\n";
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return cohort::start_app_with_arguments<Worker>(
      argc, argv, [](cohort::Cluster& cluster, int count, char** arguments) {
        return run(cluster, count > 1 ? std::atoi(arguments[1]) : 6);
      });
}
