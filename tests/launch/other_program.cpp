// Another program of cohort, whose worker type has the same name and other functions.
#include <string>

#include <cohort/cohort.hpp>

namespace launch_test {

class Calculator {
 public:
  int add(int a, int b) { return a + b; }
  int subtract(int a, int b) { return a - b; }
  using Functions = cohort::FunctionList<&Calculator::add, &Calculator::subtract>;
};

}  // namespace launch_test

int main(int argc, char** argv) {
  return cohort::start_app<launch_test::Calculator>(argc, argv, [](cohort::Cluster&) { return 0; });
}
