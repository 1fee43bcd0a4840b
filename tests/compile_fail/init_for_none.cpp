// A spawn with an argument, of a worker type that takes none.
#include <cohort/cohort.hpp>

class Plain {
 public:
  int one() { return 1; }
  using Functions = cohort::FunctionList<&Plain::one>;
};

void start(cohort::Cluster& cluster) {
#ifdef COHORT_CONTROL
  auto const worker = cohort::spawn_one<Plain>(cluster, {});
#else
  auto const worker = cohort::spawn_one<Plain>(cluster, {}, 2);
#endif
}
