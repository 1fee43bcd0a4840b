// Count, mean and variance of random numbers: map_unordered makes blocks of them, map_reduce sums
// them up. A block depends on its index alone, so the result does not depend on the workers.
#include <cstddef>
#include <cstdint>
#include <iomanip>
#include <iostream>
#include <random>
#include <ranges>
#include <utility>
#include <vector>

#include <cohort/jobs.hpp>

using Block = std::vector<double>;

struct Stats {
  std::uint64_t count = 0;
  double mean = 0;
  double m2 = 0;  // sum of squared distances from the mean

  bool operator==(Stats const&) const = default;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& count& mean& m2;
  }
};

class Statistician {
 public:
  Block generate(std::uint64_t index) {
    std::mt19937_64 engine(index);
    std::uniform_real_distribution<double> uniform(0, 1);
    Block block(10'000);
    for (auto& number : block) number = uniform(engine);
    return block;
  }

  Stats stats(Block const& block) {
    Stats all;
    for (auto const number : block) all = combine(all, {.count = 1, .mean = number});
    return all;
  }

  /// Chan, Golub and LeVeque's update: associative and commutative, up to rounding.
  Stats combine(Stats const& a, Stats const& b) {
    auto const count = a.count + b.count;
    auto const share = static_cast<double>(b.count) / static_cast<double>(count);
    auto const delta = b.mean - a.mean;
    return {count, a.mean + delta * share,
            a.m2 + b.m2 + delta * delta * share * static_cast<double>(a.count)};
  }

  using Functions =
      cohort::FunctionList<&Statistician::generate, &Statistician::stats, &Statistician::combine>;
};

using Pool = cohort::Pool<Statistician>;
auto const indices = std::views::iota(std::uint64_t{0}, std::uint64_t{25});

/// Neighbours are combined in a fixed tree: equal to the bit on any number of workers.
Stats ordered(Pool& pool) {
  std::vector<Block> blocks(indices.size());
  for (auto& block : pool.map_unordered(cohort::fn<&Statistician::generate>, indices)) {
    blocks[block.index] = std::move(block.value);
  }
  return *pool.map_reduce(cohort::fn<&Statistician::stats>, cohort::fn<&Statistician::combine>,
                          blocks);
}

/// Each block goes on as soon as it is there, and results are combined in any order.
Stats commutative(Pool& pool) {
  return *pool.map_reduce_commutative(
      cohort::fn<&Statistician::stats>, cohort::fn<&Statistician::combine>,
      pool.map_unordered(cohort::fn<&Statistician::generate>, indices) |
          std::views::transform([](auto& block) { return std::move(block.value); }));
}

void print(char const* name, Stats const& stats) {
  std::cout << name << ": count " << stats.count << ", mean " << stats.mean << ", variance "
            << stats.m2 / static_cast<double>(stats.count - 1) << '\n';
}

int master(cohort::Cluster& cluster) {
  Pool one(cluster, {.spawn = {.count = 1}});
  Pool seven(cluster, {.spawn = {.count = 7}});
  auto const on_one = ordered(one);
  auto const on_seven = ordered(seven);
  std::cout << std::fixed << std::setprecision(10);
  print("ordered", on_one);
  print("commutative", commutative(seven));
  std::cout << "1 and 7 workers: " << (on_one == on_seven ? "equal" : "different") << '\n';
  return 0;
}

int main(int argc, char** argv) { return cohort::start_app<Statistician>(argc, argv, master); }
