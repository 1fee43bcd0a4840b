// The worker types of a program, in the order of start_app<...>: what a worker needs to build one
// and to run its functions, and the fingerprint that both sides compare.
#pragma once

#include <array>
#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "core/archive.h"
#include "core/function.h"
#include "core/thunk.h"
#include "launch/secret.h"

namespace cohort {

class Cluster;
class Server;

/// Who a worker is; a worker type's constructor may take it, after its Init, and keep a copy. It
/// is good as long as the worker's object lives.
struct WorkerContext {
  WorkerId id;               ///< its number in the tree of workers
  std::uint32_t index = 0;   ///< its place among those spawned by the same call, from 0
  std::uint32_t count = 1;   ///< how many that call spawned
  std::string host;          ///< the name of its machine
  Server* server = nullptr;  ///< what serves it; for cohort itself

  /// The cluster of this worker's own workers: `spawn<W>(context.cluster(), ...)`. They end when
  /// this worker does, however it does. Destroy the handles on them with the worker's object. Any
  /// thread, of a context that a constructor was given, and its copies. The first call makes the
  /// cluster: it throws std::system_error where the system has no descriptors left, and Error
  /// (kRefused) where it has no threads.
  [[nodiscard]] Cluster& cluster() const;
};

/// How many calls a worker runs at a time: `using Execution = cohort::Concurrent<4>;` in a worker
/// type, whose functions then guard what they share. Without it: one.
template <unsigned N>
struct Concurrent {
  static_assert(N >= 1, "a worker runs at least one call at a time");
  static constexpr unsigned calls = N;  ///< at a time, from 1
};

/// @cond of cohort itself
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
  /// Builds the type's Session, for a client that gave these bytes; null where it has none.
  std::shared_ptr<void> (*make_session)(void* object, std::span<std::byte const> init) = nullptr;
  bool session_takes_init = false;
  unsigned side_by_side = 1;
};
/// @endcond

/// All of a program's worker types; static data. For Cluster's constructor and the untyped halves
/// of start_app: `cohort::app_types<Ws...>`.
using AppTypes = std::span<WorkerTypeEntry const>;

// Constructors are asked for by std::is_constructible, since std::constructible_from wants a
// destructor that does not throw.
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
    if constexpr (std::is_constructible_v<W, WorkerContext const&>) {
      return new W(context);
    } else {
      static_assert(std::is_default_constructible_v<W>,
                    "a worker type without a public `using Init = ...;` needs a default "
                    "constructor, or one that takes cohort::WorkerContext const&");
      return new W();
    }
  } else if constexpr (std::is_constructible_v<W, Init, WorkerContext const&>) {
    return new W(decode_arguments<Init>(bytes), context);
  } else {
    static_assert(std::is_constructible_v<W, Init>,
                  "a worker type with `using Init = ...;` needs a constructor that takes it, alone "
                  "or followed by cohort::WorkerContext const&");
    return new W(decode_arguments<Init>(bytes));
  }
}

/// A Session whose destructor throws ends the process, here where the exception is still known: a
/// shared_ptr's own deleter must not throw, and terminates without it.
template <class S>
std::shared_ptr<void> share_session(S* session) {
  return std::shared_ptr<S>(session, [](S* each) {
    try {
      delete each;
    } catch (...) {
      std::terminate();
    }
  });
}

/// Takes `using Init` and the worker, where its constructor wants them: (W&, Init), (Init), (W&) or
/// nothing.
template <class W>
std::shared_ptr<void> make_session(void* object, std::span<std::byte const> bytes) {
  using S = typename W::Session;
  using Init = typename InitOf<S>::type;
  auto& worker = *static_cast<W*>(object);
  if constexpr (std::is_same_v<Init, NoInit>) {
    if constexpr (std::is_constructible_v<S, W&>) {
      return share_session(new S(worker));
    } else {
      static_assert(
          std::is_default_constructible_v<S>,
          "a Session without a public `using Init = ...;` needs a default constructor, or one that "
          "takes the worker by reference");
      return share_session(new S());
    }
  } else if constexpr (std::is_constructible_v<S, W&, Init>) {
    return share_session(new S(worker, decode_arguments<Init>(bytes)));
  } else {
    static_assert(std::is_constructible_v<S, Init>,
                  "a Session with `using Init = ...;` needs a constructor that takes it, alone or "
                  "behind the worker by reference");
    return share_session(new S(decode_arguments<Init>(bytes)));
  }
}

template <class W, class List>
struct EntriesOf {
  static_assert(std::is_void_v<List>, "`Functions` must be a `cohort::FunctionList<...>`");
  static constexpr std::array<FunctionEntry, 0> value{};
};
template <class W, auto... Members>
struct EntriesOf<W, FunctionList<Members...>> {
  static constexpr std::array<FunctionEntry, sizeof...(Members)> value{
      function_entry<W, Members>...};
};

template <class W>
constexpr WorkerTypeEntry worker_type_entry() {
  static_assert(WorkerType<W>,
                "a worker type needs `using Functions = cohort::FunctionList<...>;`, which is "
                "public");
  using Init = typename InitOf<W>::type;
  WorkerTypeEntry entry{type_text<W>(),
                        std::is_same_v<Init, NoInit> ? std::string_view("void") : type_text<Init>(),
                        EntriesOf<W, typename W::Functions>::value, &construct_worker<W>,
                        // What a destructor throws ends the process, and is told so.
                        [](void* object) noexcept { delete static_cast<W*>(object); }};
  if constexpr (requires { typename W::Session; }) {
    entry.make_session = &make_session<W>;
    entry.session_takes_init = !std::is_same_v<typename InitOf<typename W::Session>::type, NoInit>;
  }
  if constexpr (requires { typename W::Execution; }) entry.side_by_side = W::Execution::calls;
  return entry;
}

}  // namespace detail

/// The worker types of a program, in the order of their ids.
template <class... Ws>
inline constexpr std::array<WorkerTypeEntry, sizeof...(Ws)> app_types{
    detail::worker_type_entry<Ws>()...};

/// @cond of cohort itself
/// All types and signatures in order, one a line, and executable_identity() as the last line.
[[nodiscard]] std::string describe(AppTypes types);
[[nodiscard]] Digest fingerprint(std::string_view description);
/// One line that names the first thing in which the two descriptions differ.
[[nodiscard]] std::string first_difference(std::string_view ours, std::string_view theirs);
/// @endcond

}  // namespace cohort
