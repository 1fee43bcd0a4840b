// The caller streams numbers to a function, beside its arguments. One function answers after the
// last number, another as soon as it knows the answer: the caller is then told to stop.
#include <iostream>

#include <cohort/cohort.hpp>

class Reader {
 public:
  int scaled_sum(int factor, cohort::Stream<int>& numbers) {
    int sum = 0;
    for (int const number : numbers) sum += factor * number;
    return sum;
  }

  int first_multiple(int of, cohort::Stream<int>& numbers) {
    for (int const number : numbers) {
      if (number % of == 0) return number;
    }
    return -1;
  }

  using Functions = cohort::FunctionList<&Reader::scaled_sum, &Reader::first_multiple>;
};

int master(cohort::Cluster& cluster) {
  auto const worker = cohort::spawn_one<Reader>(cluster, {});

  auto sum = worker.open(cohort::fn<&Reader::scaled_sum>, 10);
  for (int i = 1; i <= 100; ++i) sum.input.write(i);
  sum.input.close();
  std::cout << "10 times the sum of 1..100: " << sum.result.get() << '\n';

  auto search = worker.open(cohort::fn<&Reader::first_multiple>, 37);
  try {
    for (int i = 1'000;; ++i) search.input.write(i);
  } catch (cohort::Error const&) {
    std::cout << "the numbers are " << to_string(search.input.reason()) << '\n';
  }
  std::cout << "the first multiple of 37 from 1000 on: " << search.result.get() << '\n';
  return 0;
}

int main(int argc, char** argv) { return cohort::start_app<Reader>(argc, argv, master); }
