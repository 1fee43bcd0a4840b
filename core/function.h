// Functions as types: which members of a worker type may be called, and what they take and give.
// The id of a function is its place in the worker type's FunctionList, so both sides agree on it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "core/ids.h"

namespace cohort {

/// Names one member function of a worker type, as in `worker.call(cohort::fn<&Summer::sum>, xs)`.
template <auto Member>
struct Fn {};
template <auto Member>
inline constexpr Fn<Member> fn{};

/// The functions of a worker type, in the order of their ids. Append to it; never reorder it while
/// binaries of both orders are to talk to each other (the handshake refuses that).
template <auto... Members>
struct FunctionList {
  static constexpr std::size_t size = sizeof...(Members);
};

namespace detail {

/// The compiler's name for this very function holds "Member = &Summer::sum" and the pointer's type.
template <auto Member, class Pointer>
constexpr std::string_view signature_text() {
  std::string_view const text = __PRETTY_FUNCTION__;
  auto const begin = text.find("Member = ") + 9;
  auto const gcc_tail = text.find("; std::string_view = ");
  auto const end = gcc_tail != text.npos ? gcc_tail : text.find_last_of(']');
  return text.substr(begin, end - begin);
}

template <class T>
constexpr std::string_view type_text() {
  std::string_view const text = __PRETTY_FUNCTION__;
  auto const begin = text.find("T = ") + 4;
  auto const end = text.find_first_of(";]", begin);
  return text.substr(begin, end - begin);
}

/// A last parameter of type std::stop_token does not travel: the worker supplies it.
template <class Kept, class... Rest>
struct WithoutStopToken;
template <class... Kept>
struct WithoutStopToken<std::tuple<Kept...>> {
  using Arguments = std::tuple<Kept...>;
  static constexpr bool takes_stop_token = false;
};
template <class... Kept>
struct WithoutStopToken<std::tuple<Kept...>, std::stop_token> {
  using Arguments = std::tuple<Kept...>;
  static constexpr bool takes_stop_token = true;
};
template <class... Kept, class First, class... Rest>
struct WithoutStopToken<std::tuple<Kept...>, First, Rest...>
    : WithoutStopToken<std::tuple<Kept..., First>, Rest...> {};

template <class Result_, class Class_, class... Params>
struct FunctionTraitsOf : WithoutStopToken<std::tuple<>, std::decay_t<Params>...> {
  using Result = Result_;
  using Class = Class_;
  static constexpr bool writes_to_its_arguments =
      ((std::is_lvalue_reference_v<Params> && !std::is_const_v<std::remove_reference_t<Params>>) ||
       ...);
};

template <class Pointer>
struct FunctionTraits;
template <class R, class C, class... P>
struct FunctionTraits<R (C::*)(P...)> : FunctionTraitsOf<R, C, P...> {};
template <class R, class C, class... P>
struct FunctionTraits<R (C::*)(P...) const> : FunctionTraitsOf<R, C, P...> {};
template <class R, class C, class... P>
struct FunctionTraits<R (C::*)(P...) noexcept> : FunctionTraitsOf<R, C, P...> {};
template <class R, class C, class... P>
struct FunctionTraits<R (C::*)(P...) const noexcept> : FunctionTraitsOf<R, C, P...> {};

inline constexpr std::size_t kNotListed = static_cast<std::size_t>(-1);

/// By type: comparing the pointers is no constant expression to g++ with -fsanitize=undefined.
template <auto A, auto B>
constexpr bool same_member() {
  return std::is_same_v<Fn<A>, Fn<B>>;
}

template <auto Member, class List>
struct IndexIn;
template <auto Member, auto... Members>
struct IndexIn<Member, FunctionList<Members...>> {
  static constexpr std::size_t value = [] {
    std::size_t index = 0;
    bool const found = ((same_member<Member, Members>() || (++index, false)) || ...);
    return found ? index : kNotListed;
  }();
};

}  // namespace detail

template <auto Member>
using ResultOf = std::decay_t<typename detail::FunctionTraits<decltype(Member)>::Result>;
template <auto Member>
using ArgumentsOf = typename detail::FunctionTraits<decltype(Member)>::Arguments;
template <auto Member>
using ClassOf = typename detail::FunctionTraits<decltype(Member)>::Class;

/// The function's name and type, as the compiler writes them; the fingerprint compares this text.
template <auto Member>
constexpr std::string_view signature_of() {
  constexpr auto kText = detail::signature_text<Member, decltype(Member)>();
  return kText;
}
/// The same for people: "double Summer::sum(const std::vector<double>&)".
[[nodiscard]] std::string readable_signature(std::string_view signature);

template <class W>
concept WorkerType = requires {
  typename W::Functions;
};

/// Fails to compile, and names the function, unless W lists it.
template <class W, auto Member>
struct CheckedFunction {
  static_assert(WorkerType<W>,
                "a worker type needs `using Functions = cohort::FunctionList<...>;`");
  static_assert(std::is_base_of_v<ClassOf<Member>, W>,
                "this function belongs to another class than the worker's type");
  static constexpr std::size_t index = detail::IndexIn<Member, typename W::Functions>::value;
  static_assert(!std::is_base_of_v<ClassOf<Member>, W> || index != detail::kNotListed,
                "this function is not in the worker type's `Functions` list: add it there");
  static constexpr FunctionId id{static_cast<std::uint32_t>(index)};
};

/// Fails to compile, and names function and argument types, unless the arguments fit.
template <auto Member, class... Args>
struct CheckedArguments {
  static constexpr std::size_t wanted = std::tuple_size_v<ArgumentsOf<Member>>;
  static_assert(sizeof...(Args) == wanted, "this function takes another number of arguments");
  template <std::size_t... I>
  static constexpr bool all_convert(std::index_sequence<I...>) {
    return (std::is_convertible_v<Args, std::tuple_element_t<I, ArgumentsOf<Member>>> && ...);
  }
  static constexpr bool fit() {
    if constexpr (sizeof...(Args) == wanted) {
      return all_convert(std::index_sequence_for<Args...>());
    } else {
      return true;  // said above
    }
  }
  static_assert(fit(), "an argument does not convert to the type that this function takes");
  static constexpr bool ok = sizeof...(Args) == wanted && fit();
};

}  // namespace cohort
