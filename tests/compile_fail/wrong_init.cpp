// A spawn whose argument does not convert to the Init.
#include <cohort/cohort.hpp>

class Scaler {
 public:
  using Init = double;
  explicit Scaler(double factor) : factor_(factor) {}
  double scale(double x) { return factor_ * x; }
  using Functions = cohort::FunctionList<&Scaler::scale>;

 private:
  double factor_;
};

void start(cohort::Cluster& cluster) {
#ifdef COHORT_CONTROL
  auto const worker = cohort::spawn_one<Scaler>(cluster, {}, 2);
#else
  auto const worker = cohort::spawn_one<Scaler>(cluster, {}, "two");
#endif
}
