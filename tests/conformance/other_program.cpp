// Another program of cohort, whose worker type has the same name and other functions.
#include <string>

#include <cohort/cohort.hpp>

namespace conformance {

class Everything {
 public:
  using Init = int;
  explicit Everything(int) {}
  int add(int a, int b) const { return a + b; }
  int subtract(int a, int b) { return a - b; }
  using Functions = cohort::FunctionList<&Everything::add, &Everything::subtract>;
};

}  // namespace conformance

int main(int argc, char** argv) {
  return cohort::start_app<conformance::Everything>(argc, argv, [](cohort::Cluster&) { return 0; });
}
