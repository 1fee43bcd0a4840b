// A worker's own code that calls MPI_Init, and a main that does so before start_app.
#include <cstdlib>
#include <iostream>

#include <cohort/cohort.hpp>
#include <mpi.h>

namespace {

class Caller {
 public:
  bool call_mpi_init() { return MPI_Init(nullptr, nullptr) == MPI_SUCCESS; }
  int add(int a, int b) { return a + b; }
  using Functions = cohort::FunctionList<&Caller::call_mpi_init, &Caller::add>;
};

int master(cohort::Cluster& cluster) {
  auto const worker = cohort::spawn_one<Caller>(cluster, {});
  if (worker.call(cohort::fn<&Caller::call_mpi_init>).get()) return 1;
  std::cout << "goes on: " << worker.call(cohort::fn<&Caller::add>, 1, 2).get() << std::endl;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (std::getenv("MPI_INIT_EARLY") != nullptr) MPI_Init(&argc, &argv);
  return cohort::start_app<Caller>(argc, argv, master);
}
