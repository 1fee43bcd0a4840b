// Results of a function that has none.
#include <vector>

#include <cohort/jobs.hpp>

class Store {
 public:
#ifdef COHORT_CONTROL
  int put(int key) { return key; }
#else
  void put(int) {}
#endif
  using Functions = cohort::FunctionList<&Store::put>;
};

void store(cohort::Pool<Store>& pool) {
  std::vector<int> const keys{1, 2};
  for (auto& result : pool.map_unordered(cohort::fn<&Store::put>, keys)) static_cast<void>(result);
}
