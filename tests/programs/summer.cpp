// A worker with a function, and a master that spawns four of them and calls it.
#include <iostream>
#include <numeric>
#include <vector>

#include <cohort/cohort.hpp>

class Summer {
 public:
  using Init = double;  // shipped by spawn, handed to the constructor in the worker
  explicit Summer(double bias) : bias_(bias) {}

  double sum(std::vector<double> const& xs) { return std::accumulate(xs.begin(), xs.end(), bias_); }

  using Functions = cohort::FunctionList<&Summer::sum>;  // function ids: places in this list

 private:
  double bias_;
};

int master(cohort::Cluster& cluster) {
  auto workers = cohort::spawn<Summer>(cluster, {.count = 4}, 10.0);
  std::vector<double> const xs{1.5, 2.5};
  std::vector<cohort::Future<double>> sums;
  for (auto& worker : workers) sums.push_back(worker.call(cohort::fn<&Summer::sum>, xs));
  for (auto& sum : sums) std::cout << sum.get() << '\n';  // throws what the worker threw
  return 0;
}

int main(int argc, char** argv) { return cohort::start_app<Summer>(argc, argv, master); }
