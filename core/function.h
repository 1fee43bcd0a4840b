// Functions as types: which members of a worker type may be called, and what they take and give.
// The id of a function is its place in the worker type's FunctionList, so both sides agree on it.
#pragma once

#include <array>
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

template <class T>
class Stream;
template <class T>
class Writer;
template <class S, class U>
struct State;

/// @cond
/// Always so. Where the compiler cannot tell which of several overloads is meant, all that it shows
/// of ours in its first line is this name. Write `fn<static_cast<int (W::*)(int)>(&W::f)>`.
template <class T>
concept an_overloaded_function_needs_a_static_cast_to_its_type = true;
/// @endcond

/// Names one member function of a worker type, as in `worker.call(cohort::fn<&Summer::sum>, xs)`.
/// One of several overloads: `fn<static_cast<int (W::*)(int)>(&W::f)>`.
template <an_overloaded_function_needs_a_static_cast_to_its_type auto Member>
struct Fn {};
/// The same as a value.
template <an_overloaded_function_needs_a_static_cast_to_its_type auto Member>
inline constexpr Fn<Member> fn{};

/// The functions of a worker type, in the order of their ids. Only processes whose lists are the
/// same talk to each other: the handshake refuses all others.
template <an_overloaded_function_needs_a_static_cast_to_its_type auto... Members>
struct FunctionList {
  static constexpr std::size_t size = sizeof...(Members);  ///< how many
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

/// The T of a Stream<T> or a Writer<T>; void for what is no such end.
template <template <class> class End, class Candidate>
struct ElementOf {
  using type = void;
};
template <template <class> class End, class T>
struct ElementOf<End, End<T>> {
  using type = T;
};
template <class T>
struct StateParts {
  using initial = T;
  using update = void;
};
template <class S, class U>
struct StateParts<State<S, U>> {
  using initial = S;
  using update = U;
};

template <class C>
struct SessionOf {
  struct None {};
  using type = None;
};
template <class C>
requires requires { typename C::Session; }
struct SessionOf<C> {
  using type = typename C::Session;
};

/// What a parameter is: an argument travels, the rest is supplied at the worker.
enum class Role { kArgument, kSession, kStream, kWriter, kStopToken };

template <class Class, class Param>
constexpr Role role_of() {
  using Plain = std::decay_t<Param>;
  if constexpr (std::is_same_v<Plain, typename SessionOf<Class>::type>) return Role::kSession;
  if constexpr (!std::is_void_v<typename ElementOf<Stream, Plain>::type>) return Role::kStream;
  if constexpr (!std::is_void_v<typename ElementOf<Writer, Plain>::type>) return Role::kWriter;
  if constexpr (std::is_same_v<Plain, std::stop_token>) return Role::kStopToken;
  return Role::kArgument;
}

/// The types of those parameters that have the role, decayed, as a tuple.
template <class Class, Role R, class... Params>
using ParamsOfRole = decltype(std::tuple_cat(
    std::declval<std::conditional_t<role_of<Class, Params>() == R, std::tuple<std::decay_t<Params>>,
                                    std::tuple<>>>()...));

template <class Tuple>
struct FirstOr {
  using type = void;
};
template <class First, class... Rest>
struct FirstOr<std::tuple<First, Rest...>> {
  using type = First;
};

template <class Result_, class Class_, class... Params>
struct FunctionTraitsOf {
  using Class = Class_;
  using Raw = std::tuple<std::add_rvalue_reference_t<Params>...>;  ///< T& stays T&
  using Result = Result_;
  template <Role R>
  using Of = ParamsOfRole<Class_, R, Params...>;
  using Arguments = Of<Role::kArgument>;

  template <Role R>
  static constexpr std::size_t count = ((role_of<Class_, Params>() == R) + ... + 0);
  static_assert(count<Role::kStream> <= 1 && count<Role::kWriter> <= 1 &&
                    count<Role::kSession> <= 1 && count<Role::kStopToken> <= 1,
                "a listed function takes at most one Stream, one Writer, one Session and one "
                "std::stop_token");
  static constexpr std::array<Role, sizeof...(Params)> roles{role_of<Class_, Params>()...};
  static constexpr std::size_t arguments_before(std::size_t place) {
    std::size_t before = 0;
    for (std::size_t i = 0; i < place; ++i) before += roles[i] == Role::kArgument ? 1 : 0;
    return before;
  }
  /// What its caller streams to it, and it to its caller; void where it does not.
  using In = typename ElementOf<Stream, typename FirstOr<Of<Role::kStream>>::type>::type;
  using Out = typename ElementOf<Writer, typename FirstOr<Of<Role::kWriter>>::type>::type;

  static constexpr bool takes_session = count<Role::kSession> != 0;
  static constexpr bool takes_stop_token = count<Role::kStopToken> != 0;
  static constexpr bool reads = count<Role::kStream> != 0;
  static constexpr bool writes = count<Role::kWriter> != 0;
  static constexpr bool streams = reads || writes;
  static constexpr bool writes_to_its_arguments =
      ((role_of<Class_, Params>() == Role::kArgument && std::is_lvalue_reference_v<Params> &&
        !std::is_const_v<std::remove_reference_t<Params>>) ||
       ...);
  static constexpr bool keeps_its_writer =
      ((role_of<Class_, Params>() == Role::kWriter && !std::is_reference_v<Params>) || ...);
};

/// What is no member function of a class. The rest is there so that the compiler says no more.
template <class Pointer>
struct FunctionTraits : FunctionTraitsOf<void, void> {
  static_assert(std::is_void_v<Pointer>,
                "this is no member function of a worker type, but a free or static function, a "
                "lambda, a data member, or one with & or volatile: make it `R f(Args...)` or `R "
                "f(Args...) const` of the worker's class, and write fn<&Class::f>");
};
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
struct IndexIn {
  static_assert(std::is_void_v<List>, "`Functions` must be a `cohort::FunctionList<...>`");
  static constexpr std::size_t value = kNotListed;
};
template <auto Member, auto... Members>
struct IndexIn<Member, FunctionList<Members...>> {
  static constexpr std::size_t value = [] {
    std::size_t index = 0;
    bool const found = ((same_member<Member, Members>() || (++index, false)) || ...);
    return found ? index : kNotListed;
  }();
};

}  // namespace detail

/// What travels back: of a State<S, U>, the S.
template <auto Member>
using ResultOf = typename detail::StateParts<
    std::decay_t<typename detail::FunctionTraits<decltype(Member)>::Result>>::initial;
/// @cond of cohort itself
template <auto Member>
using TraitsOf = detail::FunctionTraits<decltype(Member)>;
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
/// @endcond

namespace detail {

template <class T>
inline constexpr bool kIsFn = false;
template <auto Member>
inline constexpr bool kIsFn<Fn<Member>> = true;

/// What a call was given in the place of a function.
template <class T>
concept NotAFunction = !kIsFn<std::remove_cvref_t<T>>;
/// Fails to compile for it.
template <class T>
struct NamedFunction {
  static_assert(kIsFn<std::remove_cvref_t<T>>,
                "what is called is named by its first argument, which must be cohort::fn<&W::f> of "
                "a member function that W lists in its `Functions`: no lambda, no function object, "
                "no plain &W::f");
  struct Nothing {};
  using Result = Nothing;
};

}  // namespace detail

/// A class with `using Functions = cohort::FunctionList<...>;`.
template <class W>
concept WorkerType = requires {
  typename W::Functions;
};

/// Fails to compile, and names the function, unless W lists it.
template <class W, auto Member>
struct CheckedFunction {
  static_assert(WorkerType<W>,
                "a worker type needs `using Functions = cohort::FunctionList<...>;`, which is "
                "public");
  static_assert(std::is_base_of_v<ClassOf<Member>, W>,
                "this function belongs to another class than the worker's type: name one of W's");
  static constexpr std::size_t index = detail::IndexIn<Member, typename W::Functions>::value;
  static_assert(!std::is_base_of_v<ClassOf<Member>, W> || index != detail::kNotListed,
                "this function is not in the worker type's `Functions` list: add it there");
  static constexpr FunctionId id{static_cast<std::uint32_t>(index)};
};

/// Fails to compile, and names function and argument types, unless the arguments fit.
template <auto Member, class... Args>
struct CheckedArguments {
  static constexpr std::size_t wanted = std::tuple_size_v<ArgumentsOf<Member>>;
  static_assert(sizeof...(Args) == wanted,
                "this function takes another number of arguments: give as many as its parameters, "
                "without Stream, Writer, Session and std::stop_token");
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
  static_assert(fit(),
                "an argument does not convert to the type that this function takes: give that type "
                "(one that cannot be copied: by std::move)");
  static constexpr bool ok = sizeof...(Args) == wanted && fit();
};

}  // namespace cohort
