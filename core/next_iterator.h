// The iterator of ranges that give one value after the other and cannot go back.
#pragma once

#include <cstddef>
#include <iterator>
#include <optional>
#include <utility>

namespace cohort {

/// An input iterator over whatever has `std::optional<Value> next()`, which must stay where it is;
/// nothing is the end.
template <class Source>
class NextIterator {
 public:
  using value_type = typename decltype(std::declval<Source&>().next())::value_type;
  using difference_type = std::ptrdiff_t;

  NextIterator() = default;
  explicit NextIterator(Source& source) : source_(&source) { ++*this; }
  value_type& operator*() const { return *current_; }
  value_type* operator->() const { return &*current_; }
  NextIterator& operator++() {
    current_ = source_->next();
    return *this;
  }
  void operator++(int) { ++*this; }
  bool operator==(std::default_sentinel_t) const noexcept { return !current_; }

 private:
  Source* source_ = nullptr;
  mutable std::optional<value_type> current_;
};

}  // namespace cohort
