#include "jobs/reduction.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace cohort {
namespace {

/// Runs a reduction whose results come in the order that `order` gives; combines by `combine`.
template <class Reduction, class T, class Combine>
std::optional<T> run(std::vector<T> const& inputs, Combine const& combine, unsigned seed) {
  Reduction reduction;
  std::mt19937 random(seed);
  std::vector<std::pair<std::size_t, T>> ready;
  for (std::size_t i = 0; i < inputs.size(); ++i) ready.emplace_back(i, inputs[i]);
  std::size_t const known_after = random() % (inputs.size() + 1);
  std::size_t added = 0;
  for (;;) {
    if (added >= known_after) reduction.set_inputs(inputs.size());
    while (auto pair = reduction.take_pair()) {
      ready.emplace_back(pair->tag, combine(pair->left, pair->right));
    }
    if (ready.empty()) break;
    auto const chosen = ready.begin() + static_cast<std::ptrdiff_t>(random() % ready.size());
    reduction.add(chosen->first, chosen->second);
    ready.erase(chosen);
    ++added;
  }
  return reduction.take_result();
}

std::string in_brackets(std::string const& left, std::string const& right) {
  return "(" + left + right + ")";
}

std::vector<std::string> letters(std::size_t count) {
  std::vector<std::string> inputs;
  for (std::size_t i = 0; i < count; ++i) inputs.emplace_back(1, static_cast<char>('a' + i));
  return inputs;
}

TEST(OrderedReduction, CombinesNeighboursInAFixedTree) {
  using Reduction = OrderedReduction<std::string>;
  EXPECT_EQ(run<Reduction>(letters(1), in_brackets, 1), "a");
  EXPECT_EQ(run<Reduction>(letters(2), in_brackets, 1), "(ab)");
  EXPECT_EQ(run<Reduction>(letters(3), in_brackets, 1), "((ab)c)");
  EXPECT_EQ(run<Reduction>(letters(5), in_brackets, 1), "(((ab)(cd))e)");
  EXPECT_EQ(run<Reduction>(letters(7), in_brackets, 1), "(((ab)(cd))((ef)g))");
}

TEST(OrderedReduction, GivesTheSameTreeInWhateverOrderResultsCome) {
  using Reduction = OrderedReduction<std::string>;
  for (std::size_t count = 1; count <= 20; ++count) {
    auto const expected = run<Reduction>(letters(count), in_brackets, 0);
    for (unsigned seed = 1; seed < 50; ++seed) {
      ASSERT_EQ(run<Reduction>(letters(count), in_brackets, seed), expected) << count;
    }
  }
}

TEST(OrderedReduction, HasNoResultWithoutInputs) {
  OrderedReduction<int> reduction;
  reduction.set_inputs(0);
  EXPECT_FALSE(reduction.has_pair());
  EXPECT_EQ(reduction.take_result(), std::nullopt);
}

TEST(CommutativeReduction, UsesEveryInputOnce) {
  std::vector<long> inputs(37);
  long expected = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) expected += inputs[i] = static_cast<long>(i * i);
  for (unsigned seed = 0; seed < 50; ++seed) {
    EXPECT_EQ(run<CommutativeReduction<long>>(
                  inputs, [](long left, long right) { return left + right; }, seed),
              expected);
  }
}

TEST(CommutativeReduction, HasNoResultWithoutInputs) {
  CommutativeReduction<int> reduction;
  EXPECT_EQ(reduction.take_result(), std::nullopt);
}

}  // namespace
}  // namespace cohort
