// Workers that have workers of their own: two primaries, each the master of two secondaries. Who
// holds no handle on a secondary needs none: it ends with its primary, however that ends.
#include <iostream>
#include <string>
#include <vector>

#include <cohort/cohort.hpp>

class Secondary {
 public:
  explicit Secondary(cohort::WorkerContext const& context) : number_(context.index + 1) {}

  std::string ping() const { return "Secondary worker #" + std::to_string(number_) + ": pong"; }

  using Functions = cohort::FunctionList<&Secondary::ping>;

 private:
  unsigned const number_;
};

class Primary {
 public:
  explicit Primary(cohort::WorkerContext const& context)
      : number_(context.index + 1),
        secondaries_(cohort::spawn<Secondary>(context.cluster(), {.count = 2})) {}

  std::vector<std::string> ping() const {
    std::vector<std::string> answers;
    for (auto const& secondary : secondaries_) {
      answers.push_back("Primary worker #" + std::to_string(number_) + ": " +
                        secondary.call(cohort::fn<&Secondary::ping>).get());
    }
    return answers;
  }

  using Functions = cohort::FunctionList<&Primary::ping>;

 private:
  unsigned const number_;
  std::vector<cohort::Worker<Secondary>> const secondaries_;
};

int master(cohort::Cluster& cluster) {
  for (auto const& primary : cohort::spawn<Primary>(cluster, {.count = 2})) {
    for (auto const& answer : primary.call(cohort::fn<&Primary::ping>).get()) {
      std::cout << answer << '\n';
    }
  }
  return 0;
}

int main(int argc, char** argv) {
  return cohort::start_app<Primary, Secondary>(argc, argv, master);
}
