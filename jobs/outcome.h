// What became of one task, for functions that give a value and for those that return void.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>
#include <variant>

#include "core/error.h"

namespace cohort {

/// The result of one task, or the error that it ended with. T may be void. A value: it belongs to
/// one thread at a time.
template <class T>
class Outcome {
 public:
  /// @cond
  using Value = std::variant<std::conditional_t<std::is_void_v<T>, std::monostate, T>, Error>;

  Outcome(std::size_t index, Value value) : index_(index), value_(std::move(value)) {}
  /// @endcond

  /// The task's place in the input, from 0.
  [[nodiscard]] std::size_t index() const noexcept { return index_; }
  /// Whether there is a result.
  [[nodiscard]] bool ok() const noexcept { return value_.index() == 0; }
  /// The result, nothing for void. Throws the error where there is one.
  std::add_lvalue_reference_t<T> get() {
    if (auto* error = std::get_if<1>(&value_)) throw Error(*error);
    if constexpr (!std::is_void_v<T>) return std::get<0>(value_);
  }
  /// Throws std::bad_variant_access where ok().
  [[nodiscard]] Error const& error() const { return std::get<1>(value_); }

 private:
  std::size_t index_;
  Value value_;
};

}  // namespace cohort
