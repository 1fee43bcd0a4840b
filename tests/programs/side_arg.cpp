// A parameter beside the tasks: it travels once to each worker of the pool, when it is spawned, and
// every task there sees it.
#include <algorithm>
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
    if (Archive::is_loading::value) ++received;
  }
  static inline int received = 0;
};

class Greeter {
 public:
  using Init = Style;
  explicit Greeter(Style style) : style_(std::move(style)) {}

  std::string greet(std::string const& name) const {
    auto const marks = static_cast<std::size_t>(style_.exclamation_marks);
    return style_.greeting + ", " + name + std::string(marks, '!');
  }

  int styles_received(int) const { return Style::received; }

  using Functions = cohort::FunctionList<&Greeter::greet, &Greeter::styles_received>;

 private:
  Style const style_;
};

int master(cohort::Cluster& cluster) {
  cohort::Pool<Greeter> pool(cluster, {.spawn = {.count = 2}}, Style{"Good morning", 2});
  std::array const names{"Ada", "Barbara", "Grace", "Hedy", "Lise", "Mary"};
  for (auto const& line : pool.map(cohort::fn<&Greeter::greet>, names)) std::cout << line << '\n';
  int most = 0;
  for (auto const received :
       pool.map(cohort::fn<&Greeter::styles_received>, std::array{0, 1, 2, 3})) {
    most = std::max(most, received);
  }
  std::cout << "each worker was given its style " << most << " time\n";
  return 0;
}

int main(int argc, char** argv) { return cohort::start_app<Greeter>(argc, argv, master); }
