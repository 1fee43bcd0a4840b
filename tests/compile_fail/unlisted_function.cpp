// A call of a member that the worker type does not list.
#include <cohort/cohort.hpp>

class Worker {
 public:
  int listed(int a) { return a; }
  int unlisted(int a) { return a; }
#ifdef COHORT_CONTROL
  using Functions = cohort::FunctionList<&Worker::listed, &Worker::unlisted>;
#else
  using Functions = cohort::FunctionList<&Worker::listed>;
#endif
};

int call(cohort::Worker<Worker>& worker) {
  return worker.call(cohort::fn<&Worker::unlisted>, 1).get();
}
