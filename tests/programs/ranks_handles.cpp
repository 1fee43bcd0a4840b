// One rank, which is one worker after the other: each handle goes at the end of its line, with the
// answer still awaited.
//   on_ranks 2 ranks_handles --workers ranks
#include <chrono>
#include <iostream>
#include <thread>

#include <cohort/cohort.hpp>

namespace {

class Adder {
 public:
  int add_slowly(int a, int b) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return a + b;
  }
  using Functions = cohort::FunctionList<&Adder::add_slowly>;
};

int run(cohort::Cluster& cluster) {
  for (int i = 0; i < 4; ++i) {
    auto sum = cohort::spawn_one<Adder>(cluster, {}).call(cohort::fn<&Adder::add_slowly>, i, 1);
    if (i == 1) continue;  // nobody awaits this one
    if (sum.get() != i + 1) return 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return cohort::start_app<Adder>(argc, argv, run); }
