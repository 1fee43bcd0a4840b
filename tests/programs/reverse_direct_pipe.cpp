// The caller streams numbers straight into a callback of the worker. The function that takes the
// stream answers at once; the numbers go on behind its answer, beside the worker's other calls.
#include <iostream>
#include <string>
#include <utility>

#include <cohort/cohort.hpp>

class Listener {
 public:
  std::string listen(std::string const& name, cohort::Stream<int> numbers) {
    subscription_ = std::move(numbers).subscribe([this](int number) { sum_ += number; });
    return "listening to " + name;
  }

  /// Waits for the end of the numbers.
  int sum() {
    subscription_.wait();
    return sum_;
  }

  using Functions = cohort::FunctionList<&Listener::listen, &Listener::sum>;

 private:
  int sum_ = 0;  // the callback's until the end
  cohort::Subscription subscription_;
};

int master(cohort::Cluster& cluster) {
  auto const worker = cohort::spawn_one<Listener>(cluster, {});
  auto call = worker.open(cohort::fn<&Listener::listen>, "1..100");
  std::cout << call.result.get() << '\n';

  auto sum = worker.call(cohort::fn<&Listener::sum>);
  for (int i = 1; i <= 100; ++i) call.input.write(i);
  call.input.close();
  std::cout << "sum " << sum.get() << '\n';
  return 0;
}

int main(int argc, char** argv) { return cohort::start_app<Listener>(argc, argv, master); }
