// A worker type whose constructor does not take its Init.
#include <string>

#include <cohort/cohort.hpp>

class Scaler {
 public:
#ifdef COHORT_CONTROL
  using Init = double;
#else
  using Init = std::string;
#endif
  explicit Scaler(double factor) : factor_(factor) {}
  double scale(double x) { return factor_ * x; }
  using Functions = cohort::FunctionList<&Scaler::scale>;

 private:
  double factor_;
};

cohort::AppTypes types() { return cohort::app_types<Scaler>; }
