// What the compiler says of operations whose inputs or functions do not fit.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <ranges>
#include <tuple>
#include <type_traits>
#include <utility>

#include "core/function.h"

namespace cohort::detail {

template <class Input, class Arguments>
inline constexpr bool kIsTupleOf = false;
template <template <class...> class Tuple, class... Given, class... Wanted>
requires(sizeof...(Given) == sizeof...(Wanted))  //
    inline constexpr bool kIsTupleOf<Tuple<Given...>, std::tuple<Wanted...>> = requires {
  std::tuple_size<Tuple<Given...>>::value;
}
&&(std::is_convertible_v<Given const&, Wanted>&&...);
template <class Given, std::size_t N, class... Wanted>
requires(N == sizeof...(Wanted))  //
    inline constexpr bool kIsTupleOf<std::array<Given, N>, std::tuple<Wanted...>> =
        (std::is_convertible_v<Given const&, Wanted> && ...);

template <class Input, class Arguments>
inline constexpr bool kIsTheArgument = false;
template <class Input, class Wanted>
inline constexpr bool kIsTheArgument<Input, std::tuple<Wanted>> =
    std::is_convertible_v<Input const&, Wanted>;

/// Of its only argument, which cannot be copied.
template <class Input, class Arguments>
inline constexpr bool kCannotBeKept =
    std::is_same_v<std::tuple<Input>, Arguments> && !std::is_copy_constructible_v<Input>;

/// Whether an element of Inputs is one argument of Member, or a tuple of its arguments.
template <auto Member, class Inputs>
constexpr bool check_inputs() {
  constexpr bool kIsRange = std::ranges::input_range<Inputs>;
  static_assert(kIsRange,
                "the inputs must be a range that can be read: a container, a view, a "
                "cohort::Generated, or the results of another operation");
  if constexpr (kIsRange) {
    using Input = std::ranges::range_value_t<Inputs>;
    using Arguments = ArgumentsOf<Member>;
    static_assert(!kCannotBeKept<Input, Arguments>,
                  "a pool keeps each input, to give it to another worker where one is lost: let "
                  "the function take what can be copied");
    constexpr bool kFits = kIsTheArgument<Input, Arguments> || kIsTupleOf<Input, Arguments>;
    static_assert(kFits || kCannotBeKept<Input, Arguments>,
                  "an element of the inputs does not convert to what this function takes: give a "
                  "range of its argument's type, or, where it takes several, of std::tuple of "
                  "their types");
    return kFits;
  } else {
    return false;
  }
}
/// Fails to compile, and names function and inputs, unless they fit and W lists the function.
template <class W, auto Member, class Inputs>
inline constexpr bool kInputsFit =
    check_inputs<Member, Inputs>() && CheckedFunction<W, Member>::index != kNotListed;

template <class Candidate>
struct OptionalParts {
  using type = void;
};
template <class T>
struct OptionalParts<std::optional<T>> {
  using type = T;
};
/// The T of a std::optional<T>; void for what is none.
template <class Candidate>
using OptionalOf = typename OptionalParts<Candidate>::type;

}  // namespace cohort::detail
