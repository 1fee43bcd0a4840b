// Says what MPI's messages travel over, as the master and two workers find it: the component of
// Open MPI that carries them is the one that stays loaded. Each worker is killed, in the middle of
// a large call, and replaced meanwhile.
//   mpi_fabric --workers mpi:2 [--mpi-fabric ucx]
#include <fstream>
#include <iostream>
#include <iterator>
#include <numeric>
#include <string>
#include <vector>

#include <cohort/cohort.hpp>
#include <unistd.h>

namespace {

using cohort::fn;

std::string fabric() {
  std::ifstream file("/proc/self/maps");
  std::string const maps{std::istreambuf_iterator<char>(file), {}};
  return maps.find("mca_pml_ucx") != maps.npos ? "ucx" : "ob1";
}

class Worker {
 public:
  std::string fabric() { return ::fabric(); }
  std::vector<double> echo(std::vector<double> values) { return values; }
  using Functions = cohort::FunctionList<&Worker::fabric, &Worker::echo>;
};

int run(cohort::Cluster& cluster) {
  std::vector<double> many(3'000'000);
  std::iota(many.begin(), many.end(), 0.0);
  for (int round = 0; round < 2; ++round) {
    for (auto const& worker : cohort::spawn<Worker>(cluster, {.on_failure = [](auto const&) {}})) {
      if (worker.call(fn<&Worker::echo>, many).get() != many) return 1;
      std::cout << "worker: " << worker.call(fn<&Worker::fabric>).get() << '\n';
      if (round != 0) continue;
      auto cut_off = worker.call(fn<&Worker::echo>, many);
      worker.kill();
      try {
        if (cut_off.get() != many) return 1;
      } catch (cohort::Error const&) {
        // It was cut off.
      }
      if (!worker.wait_until_ended(std::chrono::seconds(20))) return 1;
    }
  }
  std::cout << "master: " << fabric() << std::endl;
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return cohort::start_app<Worker>(argc, argv, run); }
