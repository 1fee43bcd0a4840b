// Functions that the worker type does not list, in every way to call one.
#include <tuple>

#include <cohort/cohort.hpp>

class Worker {
 public:
  void note(int a);
  void count(int n, cohort::Writer<int>& out);
  int count_and_return(int n, cohort::Writer<int>& out);
  cohort::State<int, int> watch(cohort::Writer<int> updates);
  int add(int a, int b);
#ifdef COHORT_CONTROL
  using Functions = cohort::FunctionList<&Worker::note, &Worker::count, &Worker::count_and_return,
                                         &Worker::watch, &Worker::add>;
#else
  using Functions = cohort::FunctionList<>;
#endif
};

void use(cohort::Worker<Worker>& worker) {
  using cohort::fn;
  worker.post(fn<&Worker::note>, 1);
  auto const stream = worker.stream(fn<&Worker::count>, 1);
  auto const open = worker.open(fn<&Worker::count_and_return>, 1);
  auto const state = worker.state(fn<&Worker::watch>);
  auto const adapt = cohort::adapt(fn<&Worker::add>, [](int a) { return std::tuple(a, a); });
  auto const call = worker.call(adapt, 1);
}
