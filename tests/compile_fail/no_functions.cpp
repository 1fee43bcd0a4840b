// A worker type without a list of functions.
#include <cohort/cohort.hpp>

class Mute {
 public:
  int one() { return 1; }
#ifdef COHORT_CONTROL
  using Functions = cohort::FunctionList<&Mute::one>;
#endif
};

cohort::AppTypes types() { return cohort::app_types<Mute>; }
