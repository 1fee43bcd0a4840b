// A lazy input range from a function that gives the next element, or nothing at the end.
#pragma once

#include <cstddef>
#include <functional>
#include <iterator>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <utility>

#include "core/next_iterator.h"

namespace cohort {

/// `Generated<int>([n = 0]() mutable -> std::optional<int> { ... })`. Single pass. The function is
/// called once before the first element is read, and once for each step, on the thread that reads
/// the range; what it throws, that step throws. It must stay where it is while it is read.
template <class T>
class Generated : public std::ranges::view_base {
 public:
  /// From the function that gives the elements.
  explicit Generated(std::function<std::optional<T>()> next) : next_(std::move(next)) {}
  /// @cond
  Generated(Generated&&) = default;
  Generated& operator=(Generated&&) = default;

  class Iterator {
   public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    explicit Iterator(Generated& range) : range_(&range) {}
    T const& operator*() const { return *range_->current_; }
    Iterator& operator++() {
      range_->current_ = range_->next_();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return !range_->current_; }

   private:
    Generated* range_;
  };
  /// @endcond
  /// Asks for the first element. Once: a second one throws std::logic_error, as it does of a range
  /// that was moved from.
  [[nodiscard]] Iterator begin() {
    if (!next_) throw std::logic_error("cohort: this Generated has no function, or was moved from");
    once_.begin();
    current_ = next_();
    return Iterator(*this);
  }
  /// After the last.
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 private:
  std::function<std::optional<T>()> next_;
  std::optional<T> current_;
  ReadOnce once_;
};

}  // namespace cohort
