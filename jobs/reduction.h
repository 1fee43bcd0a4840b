// Which partial results are to be combined next. Knows no worker: pairs out, results in.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace cohort {

/// Two partial results to combine; the combined one is to be added under `tag`.
template <class T>
struct ReductionPair {
  std::size_t tag;
  T left;
  T right;
};

/// A binary tree over the inputs' places: node i of level k covers inputs i·2^k … (i+1)·2^k − 1,
/// and combines nodes 2i and 2i+1 of the level below. Where the right one has no inputs, the left
/// one moves up as it is. So the tree is a function of the number of inputs and of nothing else.
template <class T>
class OrderedReduction {
 public:
  /// The result of input `tag`, or of a pair that was taken.
  void add(std::size_t tag, T value) {
    place(to_node(tag), std::move(value));
    move_up();
  }
  /// There are no more inputs than these.
  void set_inputs(std::size_t count) {
    if (inputs_) return;
    inputs_ = count;
    move_up();
  }
  [[nodiscard]] bool has_pair() const noexcept { return !pairs_.empty(); }
  [[nodiscard]] std::optional<ReductionPair<T>> take_pair() {
    if (pairs_.empty()) return std::nullopt;
    auto pair = std::move(pairs_.back());
    pairs_.pop_back();
    return pair;
  }
  /// Once every input and pair was added; nothing where there were no inputs.
  [[nodiscard]] std::optional<T> take_result() {
    if (waiting_.empty()) return std::nullopt;
    return std::move(waiting_.begin()->second);
  }

 private:
  struct Node {
    unsigned level;
    std::size_t index;
    auto operator<=>(Node const&) const = default;
  };
  // A tag holds the level in its upper 8 bits: 2^56 inputs are enough.
  static constexpr unsigned kIndexBits = 56;
  static Node to_node(std::size_t tag) {
    return {static_cast<unsigned>(tag >> kIndexBits), tag & ((std::size_t{1} << kIndexBits) - 1)};
  }
  static std::size_t to_tag(Node node) {
    return std::size_t{node.level} << kIndexBits | node.index;
  }

  void place(Node node, T value) {
    auto const sibling = waiting_.find({node.level, node.index ^ 1});
    if (sibling == waiting_.end()) {
      waiting_.emplace(node, std::move(value));
      return;
    }
    bool const is_left = node.index % 2 == 0;
    auto const tag = to_tag({node.level + 1, node.index / 2});
    if (is_left) {
      pairs_.push_back({tag, std::move(value), std::move(sibling->second)});
    } else {
      pairs_.push_back({tag, std::move(sibling->second), std::move(value)});
    }
    waiting_.erase(sibling);
  }

  /// Lets the last node of each level, where it has no sibling, move up.
  void move_up() {
    if (!inputs_ || *inputs_ == 0) return;
    for (unsigned level = 0;; ++level) {
      auto const last = (*inputs_ - 1) >> level;  // the index of the level's last node
      if (last == 0) return;                      // the root's level
      if (last % 2 != 0) continue;
      auto const found = waiting_.find({level, last});
      if (found == waiting_.end()) continue;
      auto value = std::move(found->second);
      waiting_.erase(found);
      place({level + 1, last / 2}, std::move(value));
    }
  }

  std::optional<std::size_t> inputs_;
  std::map<Node, T> waiting_;
  std::vector<ReductionPair<T>> pairs_;
};

/// Any two results that are there.
template <class T>
class CommutativeReduction {
 public:
  void add(std::size_t, T value) { waiting_.push_back(std::move(value)); }
  void set_inputs(std::size_t) noexcept {}
  [[nodiscard]] bool has_pair() const noexcept { return waiting_.size() >= 2; }
  [[nodiscard]] std::optional<ReductionPair<T>> take_pair() {
    if (!has_pair()) return std::nullopt;
    auto right = std::move(waiting_.back());
    waiting_.pop_back();
    auto left = std::move(waiting_.back());
    waiting_.pop_back();
    return ReductionPair<T>{0, std::move(left), std::move(right)};
  }
  [[nodiscard]] std::optional<T> take_result() {
    if (waiting_.empty()) return std::nullopt;
    return std::move(waiting_.front());
  }

 private:
  std::vector<T> waiting_;
};

}  // namespace cohort
