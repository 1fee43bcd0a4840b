// A worker streams running sums, a little apart. Each goes straight into a callback of the master,
// on cohort's callback thread, while the master is free to do something else.
#include <chrono>
#include <iostream>
#include <thread>

#include <cohort/cohort.hpp>

class Summer {
 public:
  void running_sums(int count, cohort::Writer<int>& sums) {
    int sum = 0;
    for (int i = 0; i < count; ++i) {
      sum += i;
      sums.write(sum);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  using Functions = cohort::FunctionList<&Summer::running_sums>;
};

int master(cohort::Cluster& cluster) {
  auto const worker = cohort::spawn_one<Summer>(cluster, {});
  auto const subscription =
      worker.stream(cohort::fn<&Summer::running_sums>, 8).subscribe([](int sum) {
        std::cout << sum << '\n';
      });
  auto const reason = subscription.wait();  // throws where the stream failed
  std::cout << "the stream is " << to_string(reason) << '\n';
  return 0;
}

int main(int argc, char** argv) { return cohort::start_app<Summer>(argc, argv, master); }
