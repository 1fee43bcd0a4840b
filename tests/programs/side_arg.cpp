// A parameter beside the tasks: it travels once to each worker of the pool, when it is spawned, and
// every task there sees it.
#include <array>
#include <cstddef>
#include <iostream>
#include <string>
#include <utility>

#include <cohort/jobs.hpp>

struct Style {
  std::string greeting;
  int exclamation_marks = 0;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& greeting& exclamation_marks;
  }
};

class Greeter {
 public:
  using Init = Style;
  explicit Greeter(Style style) : style_(std::move(style)) {}

  std::string greet(std::string const& name) const {
    auto const marks = static_cast<std::size_t>(style_.exclamation_marks);
    return style_.greeting + ", " + name + std::string(marks, '!');
  }

  using Functions = cohort::FunctionList<&Greeter::greet>;

 private:
  Style const style_;
};

int master(cohort::Cluster& cluster) {
  cohort::Pool<Greeter> pool(cluster, {.spawn = {.count = 2}}, Style{"Good morning", 2});
  std::array const names{"Ada", "Barbara", "Grace", "Hedy", "Lise", "Mary"};
  for (auto const& line : pool.map(cohort::fn<&Greeter::greet>, names)) std::cout << line << '\n';
  return 0;
}

int main(int argc, char** argv) { return cohort::start_app<Greeter>(argc, argv, master); }
