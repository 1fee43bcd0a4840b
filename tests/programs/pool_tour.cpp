// Map and reduce over a pool of four workers.
#include <iostream>
#include <optional>
#include <ranges>

#include <cohort/jobs.hpp>

using cohort::fn;

class Tasks {
 public:
  double inverse(int x) const { return 1.0 / x; }
  double add(double left, double right) const { return left + right; }
  std::optional<int> divides(int x) const {
    return 7921 % x == 0 ? std::optional(x) : std::nullopt;
  }

  using Functions = cohort::FunctionList<&Tasks::inverse, &Tasks::add, &Tasks::divides>;
};

int master(cohort::Cluster& cluster) {
  cohort::Pool<Tasks> pool(cluster, {.spawn = {.count = 4}});
  auto const inputs = std::views::iota(1, 6);  // any range; it is consumed lazily
  // In the order of the inputs; and as they come, each with the place of its input.
  for (double y : pool.map(fn<&Tasks::inverse>, inputs)) std::cout << y << '\n';
  double sum = 0;
  for (auto& [place, y] : pool.map_unordered(fn<&Tasks::inverse>, inputs)) sum += y;
  // The first hit stops the others.
  auto const hit = pool.find_map(fn<&Tasks::divides>, std::views::iota(2, 7921));
  // The same bits on any number of workers.
  auto const exact = pool.map_reduce(fn<&Tasks::inverse>, fn<&Tasks::add>, inputs);
  std::cout << sum << ' ' << hit->value << ' ' << *exact << '\n';
  return 0;
}

int main(int argc, char** argv) { return cohort::start_app<Tasks>(argc, argv, master); }
