// A call with an argument too many.
#include <cohort/cohort.hpp>

class Worker {
 public:
  double halve(double x) { return x / 2; }
  using Functions = cohort::FunctionList<&Worker::halve>;
};

double call(cohort::Worker<Worker>& worker) {
#ifdef COHORT_CONTROL
  return worker.call(cohort::fn<&Worker::halve>, 1.0).get();
#else
  return worker.call(cohort::fn<&Worker::halve>, 1.0, 2.0).get();
#endif
}
