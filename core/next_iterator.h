// The iterator of ranges that give one value after the other and cannot go back.
#pragma once

#include <cstddef>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <utility>

namespace cohort {

/// In a range that can be read once.
class ReadOnce {
 public:
  /// Throws std::logic_error the second time.
  void begin() {
    if (std::exchange(begun_, true)) {
      throw std::logic_error(
          "cohort: this range is read a second time: it keeps nothing of what it gave; make it "
          "anew, "
          "or keep the elements");
    }
  }

 private:
  bool begun_ = false;
};

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
