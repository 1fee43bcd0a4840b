// Functions called in a way that they do not fit.
#include <cohort/cohort.hpp>

class Worker {
 public:
  int plain(int a);
  void count(int n, cohort::Writer<int>& out);
  int count_and_return(int n, cohort::Writer<int>& out);
  cohort::State<int, int> watch(cohort::Writer<int> updates);
  using Functions = cohort::FunctionList<&Worker::plain, &Worker::count, &Worker::count_and_return,
                                         &Worker::watch>;
};

void use(cohort::Worker<Worker>& worker) {
  using cohort::fn;
#ifdef COHORT_CONTROL
  auto const call = worker.call(fn<&Worker::plain>, 1);
  worker.post(fn<&Worker::plain>, 1);
  auto const open = worker.open(fn<&Worker::count_and_return>, 1);
  auto const stream = worker.stream(fn<&Worker::count>, 1);
  auto const state = worker.state(fn<&Worker::watch>);
#else
  auto const call = worker.call(fn<&Worker::watch>);
  worker.post(fn<&Worker::count>, 1);
  auto const open = worker.open(fn<&Worker::plain>, 1);
  auto const stream = worker.stream(fn<&Worker::count_and_return>, 1);
  auto const state = worker.state(fn<&Worker::count>, 1);
#endif
}
