// A call of a function of another worker class.
#include <cohort/cohort.hpp>

class Worker {
 public:
  int one() { return 1; }
  using Functions = cohort::FunctionList<&Worker::one>;
};
class Stranger {
 public:
  int two() { return 2; }
  using Functions = cohort::FunctionList<&Stranger::two>;
};

int call(cohort::Worker<Worker>& worker) {
#ifdef COHORT_CONTROL
  return worker.call(cohort::fn<&Worker::one>).get();
#else
  return worker.call(cohort::fn<&Stranger::two>).get();
#endif
}
