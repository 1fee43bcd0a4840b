// Functions that look different to their caller: other arguments, another result, the same call.
#pragma once

#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "core/function.h"
#include "core/future.h"

namespace cohort {

/// A listed function behind two conversions, which run at the caller. See adapt().
template <auto Member, class ToArguments, class FromResult>
struct Adapted {
  ToArguments to_arguments;  ///< of what the caller gives
  FromResult from_result;    ///< of what the function gave
};

/// @cond
template <auto Member, class ToArguments, class FromResult>
inline constexpr bool detail::kIsFn<Adapted<Member, ToArguments, FromResult>> = true;
/// @endcond

/// `worker.call(adapt(fn<&W::f>, to_arguments, from_result), x)` calls `f` with what
/// `to_arguments(x)` gives, a tuple for several arguments, and gives `from_result` of its result.
/// `to_arguments` runs within the call, `from_result` within get(): what they throw is thrown
/// there, and the worker hears nothing of it.
template <auto Member, class ToArguments, class FromResult = std::identity>
[[nodiscard]] constexpr Adapted<Member, ToArguments, FromResult> adapt(
    Fn<Member>, ToArguments to_arguments, FromResult from_result = {}) {
  return {std::move(to_arguments), std::move(from_result)};
}

/// A future whose result is converted by get(), on the thread that calls it. Otherwise a Future<R>.
template <class R, class FromResult>
class [[nodiscard]] AdaptedFuture : public AnyFuture {
 public:
  /// Converts what `future` will give.
  AdaptedFuture(Future<R> future, FromResult from_result)
      : AnyFuture(std::move(future)), from_result_(std::move(from_result)) {}

  /// A value, also where from_result gives a reference into what it was given. Waits and throws as
  /// Future::get() does, and what from_result throws.
  auto get() {
    Future<R> future(std::move(static_cast<AnyFuture&>(*this)));
    if constexpr (std::is_void_v<R>) {
      future.get();
      if constexpr (!std::is_same_v<FromResult, std::identity>) return std::invoke(from_result_);
    } else {
      return std::invoke(from_result_, future.get());
    }
  }

 private:
  FromResult from_result_;
};

namespace detail {

template <class T>
auto as_tuple(T&& value) {
  return std::tuple<std::decay_t<T>>(std::forward<T>(value));
}
template <class... Ts>
std::tuple<Ts...> as_tuple(std::tuple<Ts...> values) {
  return values;
}

}  // namespace detail

}  // namespace cohort
