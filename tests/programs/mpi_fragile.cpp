// Three workers, one after the other, of which the second has trouble on its way to life, as the
// variable FRAGILE says. Prints what comes of each.
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <thread>

#include <cohort/cohort.hpp>
#include <mpi.h>
#include <sys/time.h>
#include <unistd.h>

namespace {

std::string_view trouble() {
  char const* const value = std::getenv("FRAGILE");
  return value != nullptr ? value : "";
}

/// Only a rank's processes have FRAGILE from mpirun; which one is meant is said beside it.
bool is_meant() {
  char const* const rank = std::getenv("FRAGILE_RANK");
  char const* const own = std::getenv("OMPI_COMM_WORLD_RANK");
  bool const worker = std::getenv("COHORT_WORKER") != nullptr;
  return worker && (rank == nullptr || (own != nullptr && std::string_view(rank) == own));
}

bool g_is_meant = false;

[[gnu::constructor]] void die_before_main() {
  g_is_meant = is_meant();
  if (g_is_meant && trouble() == "before") ::_exit(3);
}

class Adder {
 public:
  int add(int a, int b) { return a + b; }
  using Functions = cohort::FunctionList<&Adder::add>;
};

void try_one(cohort::Cluster& cluster, std::string const& name, std::string const& fragile) {
  try {
    cohort::SpawnOptions options{
        .count = 1, .spawn_timeout = std::chrono::seconds(8), .name = name};
    if (!fragile.empty()) options.environment["FRAGILE"] = fragile;
    auto const worker = cohort::spawn_one<Adder>(cluster, options);
    std::cout << name << ": " << worker.call(cohort::fn<&Adder::add>, 1, 2).get() << std::endl;
  } catch (cohort::Error const& error) {
    std::cout << name << ": " << error.reason() << std::endl;
  }
}

}  // namespace

/// Between this program and MPI: dies in the middle of its start, or comes back late or never.
extern "C" int MPI_Init_thread(int* argc, char*** argv, int required, int* provided) {
  if (g_is_meant && trouble() == "hang") ::pause();
  if (g_is_meant && trouble() == "slow") ::sleep(3);
  if (g_is_meant && trouble() == "in") {
    itimerval soon{};
    soon.it_value.tv_usec = 4000;  // it takes 16 ms at least
    ::setitimer(ITIMER_REAL, &soon, nullptr);
  }
  int const result = PMPI_Init_thread(argc, argv, required, provided);
  if (g_is_meant && trouble() == "after") ::_exit(3);
  if (g_is_meant && trouble() == "idle") {
    std::thread([] {
      ::usleep(300'000);  // it waits for a plan by then
      ::raise(SIGKILL);
    }).detach();
  }
  return result;
}

int main(int argc, char** argv) {
  return cohort::start_app_with_arguments<Adder>(
      argc, argv, [](cohort::Cluster& cluster, int count, char** arguments) {
        std::string const fragile = count > 1 ? arguments[1] : "";
        bool const fail = fragile == "fail";
        if (trouble() == "idle") ::sleep(2);
        try_one(cluster, "first", "");
        if (!fail) try_one(cluster, "second", fragile);
        try_one(cluster, "third", "");
        return fail ? 3 : 0;
      });
}
