// Streams: a worker writes, a worker reads, and a callback is fed.
#include <iostream>

#include <cohort/cohort.hpp>

using cohort::fn;

class Numbers {
 public:
  void count(int n, cohort::Writer<int>& out) {
    for (int i = 0; i < n; ++i) out.write(i);  // waits while its reader is a window behind
  }
  int sum(cohort::Stream<int>& in) {
    int sum = 0;
    for (int const i : in) sum += i;
    return sum;
  }

  using Functions = cohort::FunctionList<&Numbers::count, &Numbers::sum>;
};

int master(cohort::Cluster& cluster) {
  auto const worker = cohort::spawn_one<Numbers>(cluster, {});
  for (int const i : worker.stream(fn<&Numbers::count>, 3)) std::cout << i << '\n';

  auto call = worker.open(fn<&Numbers::sum>);  // what it reads, and its result
  for (int i = 1; i <= 100; ++i) call.input.write(i);
  call.input.close();
  std::cout << call.result.get() << '\n';

  auto const fed = worker.stream(fn<&Numbers::count>, 1'000'000).subscribe([](int i) {
    return i < 5;  // false: enough
  });
  std::cout << to_string(fed.wait()) << '\n';
  return 0;
}

int main(int argc, char** argv) { return cohort::start_app<Numbers>(argc, argv, master); }
