// A call with an argument that does not convert to what the function takes.
#include <cohort/cohort.hpp>

class Worker {
 public:
  double halve(double x) { return x / 2; }
  using Functions = cohort::FunctionList<&Worker::halve>;
};

double call(cohort::Worker<Worker>& worker) {
#ifdef COHORT_CONTROL
  return worker.call(cohort::fn<&Worker::halve>, 1).get();
#else
  return worker.call(cohort::fn<&Worker::halve>, "one").get();
#endif
}
