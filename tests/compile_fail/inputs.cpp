// Inputs that do not fit what a pool's operation calls, by the macro that is defined.
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <cohort/jobs.hpp>

using cohort::fn;

class Tasks {
 public:
  int square(int x) const;
  int add(int x, int y) const;
  int unlisted(int x) const;
  std::optional<int> find(int x) const;
  int take(std::unique_ptr<int> x) const;

  using Functions = cohort::FunctionList<&Tasks::square, &Tasks::add, &Tasks::find, &Tasks::take>;
};

void use(cohort::Pool<Tasks>& pool) {
  std::vector<int> const numbers{1};
  std::vector<std::string> const words{"one"};
  std::vector<std::tuple<int, std::string>> const wrong{{1, "one"}};
#if defined(WRONG_TYPE)
  for (int const each : pool.map(fn<&Tasks::square>, words)) static_cast<void>(each);
#elif defined(WRONG_TUPLE)
  for (int const each : pool.map(fn<&Tasks::add>, wrong)) static_cast<void>(each);
#elif defined(ONE_FOR_SEVERAL)
  for (int const each : pool.map(fn<&Tasks::add>, numbers)) static_cast<void>(each);
#elif defined(WRONG_TYPE_UNORDERED)
  for (auto& each : pool.map_unordered(fn<&Tasks::square>, words)) static_cast<void>(each.value);
#elif defined(WRONG_TYPE_OUTCOMES)
  for (auto& each : pool.map_outcomes(fn<&Tasks::square>, words)) static_cast<void>(each.ok());
#elif defined(WRONG_TYPE_FOUND)
  auto const found = pool.find_map(fn<&Tasks::find>, words);
#elif defined(WRONG_TYPE_REDUCED)
  auto const sum = pool.map_reduce(fn<&Tasks::square>, fn<&Tasks::add>, words);
#elif defined(NO_RANGE)
  for (int const each : pool.map(fn<&Tasks::square>, 7)) static_cast<void>(each);
#elif defined(NOT_LISTED)
  for (int const each : pool.map(fn<&Tasks::unlisted>, numbers)) static_cast<void>(each);
#elif defined(NOT_COPIED)
  std::vector<std::unique_ptr<int>> pointers;
  for (int const each : pool.map(fn<&Tasks::take>, pointers)) static_cast<void>(each);
#elif defined(NO_OPTIONAL)
  auto const found = pool.find_map(fn<&Tasks::square>, numbers);
#elif defined(NO_COMBINE)
  auto const sum = pool.map_reduce(fn<&Tasks::square>, fn<&Tasks::square>, numbers);
#else
  std::vector<std::pair<int, short>> const pairs{{1, short{2}}};
  std::vector<std::array<int, 2>> const arrays{{1, 2}};
  for (int const each : pool.map(fn<&Tasks::add>, pairs)) static_cast<void>(each);
  for (int const each : pool.map(fn<&Tasks::add>, arrays)) static_cast<void>(each);
  auto const found = pool.find_map(fn<&Tasks::find>, numbers);
  auto const sum = pool.map_reduce(fn<&Tasks::square>, fn<&Tasks::add>, numbers);
#endif
  static_cast<void>(numbers);
  static_cast<void>(words);
  static_cast<void>(wrong);
}
