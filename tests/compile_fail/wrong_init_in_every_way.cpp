// Arguments that do not convert to the Init of a worker or of its Session, wherever one is given.
#include <string>

#include <cohort/cohort.hpp>

class Scaler {
 public:
  using Init = double;
  explicit Scaler(double factor);
  struct Session {
    using Init = double;
    Session(Scaler& scaler, double factor);
  };
  double scale(double x);
  using Functions = cohort::FunctionList<&Scaler::scale>;
};

#ifdef COHORT_CONTROL
using Given = double;
#else
using Given = std::string;
#endif

void use(cohort::Cluster& cluster, cohort::WorkerRef<Scaler> const& ref, Given const& given) {
  auto const served = cohort::serve<Scaler>(cluster, {}, given);
  auto const held = cohort::spawn_in_foreground<Scaler>(cluster, {}, Given(given));
  auto const connected = cohort::connect(cluster, ref, given);
}
