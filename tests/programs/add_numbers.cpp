// Each task is a pair (index, max): a worker adds the numbers 0..max. The results come in the order
// of the inputs from map, and as they are ready, with their index, from map_unordered.
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <ranges>
#include <set>
#include <utility>

#include <cohort/jobs.hpp>

class Adder {
 public:
  std::uint64_t add(std::size_t, std::uint64_t max) {
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i <= max; ++i) sum += i;
    return sum;
  }

  std::pair<std::size_t, std::uint64_t> add_indexed(std::size_t index, std::uint64_t max) {
    return {index, add(index, max)};
  }

  using Functions = cohort::FunctionList<&Adder::add, &Adder::add_indexed>;
};

std::uint64_t max_of(std::size_t index) { return 1'000 * index; }

int master(cohort::Cluster& cluster) {
  cohort::Pool<Adder> pool(cluster, {.spawn = {.count = 3}});
  auto const tasks = std::views::iota(std::size_t{0}, std::size_t{10}) |
                     std::views::transform([](std::size_t i) { return std::pair(i, max_of(i)); });

  std::size_t place = 0;
  for (auto const sum : pool.map(cohort::fn<&Adder::add>, tasks)) {
    std::cout << "0.." << max_of(place++) << ": " << sum << '\n';
  }

  std::set<std::size_t> right;
  for (auto const& result : pool.map_unordered(cohort::fn<&Adder::add_indexed>, tasks)) {
    auto const [index, sum] = result.value;
    auto const max = max_of(result.index);
    if (index == result.index && sum == max * (max + 1) / 2) right.insert(index);
  }
  std::cout << right.size() << " unordered sums came with their index\n";
  return 0;
}

int main(int argc, char** argv) { return cohort::start_app<Adder>(argc, argv, master); }
