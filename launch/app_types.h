// The worker types of a program, in the order of start_app<...>: what a worker needs to build one
// and to run its functions, and the fingerprint that both sides compare.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "core/archive.h"
#include "core/function.h"
#include "core/thunk.h"
#include "launch/secret.h"

namespace cohort {

/// Who a worker is; a worker type's constructor may take it, after its Init.
struct WorkerContext {
  WorkerId id;
  std::uint32_t index = 0;  ///< its place among those spawned by the same call, from 0
  std::uint32_t count = 1;  ///< how many that call spawned
  std::string host;
};

/// The beginning of the call that constructs a worker's object; the encoded Init follows.
struct ConstructHeader {
  WorkerTypeId type{};
  std::uint32_t index = 0;
  std::uint32_t count = 1;
};

struct WorkerTypeEntry {
  std::string_view name;
  std::string_view init;  ///< the Init type's name, "void" without one
  std::span<FunctionEntry const> functions;
  /// Decodes the Init and constructs; throws what the constructor throws.
  void* (*construct)(std::span<std::byte const> init, WorkerContext const& context);
  void (*destroy)(void* object);
};

/// All of a program's worker types; static data.
using AppTypes = std::span<WorkerTypeEntry const>;

namespace detail {

struct NoInit {};
template <class W>
struct InitOf {
  using type = NoInit;
};
template <class W>
requires requires { typename W::Init; }
struct InitOf<W> {
  using type = typename W::Init;
};

template <class W>
void* construct_worker(std::span<std::byte const> bytes, WorkerContext const& context) {
  using Init = typename InitOf<W>::type;
  if constexpr (std::is_same_v<Init, NoInit>) {
    if constexpr (std::constructible_from<W, WorkerContext const&>) {
      return new W(context);
    } else {
      static_assert(std::default_initializable<W>,
                    "a worker type without `using Init = ...;` needs a default constructor, or one "
                    "that takes cohort::WorkerContext const&");
      return new W();
    }
  } else if constexpr (std::constructible_from<W, Init, WorkerContext const&>) {
    return new W(decode_arguments<Init>(bytes), context);
  } else {
    static_assert(std::constructible_from<W, Init>,
                  "a worker type with `using Init = ...;` needs a constructor that takes it, alone "
                  "or followed by cohort::WorkerContext const&");
    return new W(decode_arguments<Init>(bytes));
  }
}

template <class W, class List>
struct EntriesOf;
template <class W, auto... Members>
struct EntriesOf<W, FunctionList<Members...>> {
  static constexpr std::array<FunctionEntry, sizeof...(Members)> value{
      function_entry<W, Members>...};
};

template <class W>
constexpr WorkerTypeEntry worker_type_entry() {
  static_assert(WorkerType<W>,
                "a worker type needs `using Functions = cohort::FunctionList<...>;`");
  using Init = typename InitOf<W>::type;
  return {type_text<W>(),
          std::is_same_v<Init, NoInit> ? std::string_view("void") : type_text<Init>(),
          EntriesOf<W, typename W::Functions>::value, &construct_worker<W>,
          [](void* object) { delete static_cast<W*>(object); }};
}

}  // namespace detail

template <class... Ws>
inline constexpr std::array<WorkerTypeEntry, sizeof...(Ws)> app_types{
    detail::worker_type_entry<Ws>()...};

/// All types and signatures in order, one a line, and the build's identity as the last line.
[[nodiscard]] std::string describe(AppTypes types);
[[nodiscard]] Digest fingerprint(std::string_view description);
/// One line that names the first thing in which the two descriptions differ.
[[nodiscard]] std::string first_difference(std::string_view ours, std::string_view theirs);

}  // namespace cohort
