// Arguments that do not convert, in every way to call a function.
#include <string>
#include <tuple>

#include <cohort/cohort.hpp>

class Worker {
 public:
  void note(int a);
  void count(int n, cohort::Writer<int>& out);
  int count_and_return(int n, cohort::Writer<int>& out);
  cohort::State<int, int> watch(int from, cohort::Writer<int> updates);
  int add(int a, int b);
  using Functions = cohort::FunctionList<&Worker::note, &Worker::count, &Worker::count_and_return,
                                         &Worker::watch, &Worker::add>;
};

#ifdef COHORT_CONTROL
using Given = int;
#else
using Given = std::string;
#endif

void use(cohort::Worker<Worker>& worker, Given const& given) {
  using cohort::fn;
  worker.post(fn<&Worker::note>, given);
  auto const stream = worker.stream(fn<&Worker::count>, given);
  auto const open = worker.open(fn<&Worker::count_and_return>, given);
  auto const state = worker.state(fn<&Worker::watch>, given);
  auto const adapt = cohort::adapt(fn<&Worker::add>, [](Given a) { return std::tuple(1, a); });
  auto const call = worker.call(adapt, given);
}
