// A listed function that would write to its argument, which nobody would see.
#include <vector>

#include <cohort/cohort.hpp>

class Sorter {
 public:
#ifdef COHORT_CONTROL
  void sort(std::vector<int> const&) {}
#else
  void sort(std::vector<int>&) {}
#endif
  using Functions = cohort::FunctionList<&Sorter::sort>;
};

cohort::AppTypes types() { return cohort::app_types<Sorter>; }
