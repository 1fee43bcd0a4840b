// How a typed call becomes a message on a connection. The fast path of a caller.
#pragma once

#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include "core/archive.h"
#include "core/call_state.h"
#include "core/connection.h"
#include "core/function.h"
#include "core/future.h"
#include "core/scratch_message.h"
#include "core/stream.h"

namespace cohort {

/// A call with streams, as its caller holds it. Dropping a part tells the worker: no more input
/// comes, nobody reads the output. The result does not wait for the streams, nor they for it. A
/// caller that writes more than a window before it reads what comes back waits for ever: read and
/// write by turns, or from two threads. result.cancel() ends both streams, with kCancelled.
template <class R, class In, class Out>
struct OpenCall {
  Future<R> result;    ///< throws what the function threw
  Writer<In> input;    ///< what the function reads
  Stream<Out> output;  ///< what it writes
};
/// Of a function that takes a Writer alone.
template <class R, class Out>
struct OpenCall<R, void, Out> {
  Future<R> result;    ///< throws what the function threw
  Stream<Out> output;  ///< what it writes
};
/// Of a function that takes a Stream alone.
template <class R, class In>
struct OpenCall<R, In, void> {
  Future<R> result;  ///< throws what the function threw
  Writer<In> input;  ///< what it reads
};

/// What Worker::open(fn<Member>, ...) gives.
template <auto Member>
using OpenCallOf =
    OpenCall<ResultOf<Member>, typename TraitsOf<Member>::In, typename TraitsOf<Member>::Out>;

}  // namespace cohort

namespace cohort::detail {

/// An argument as it is encoded: in place where its type fits already, else converted.
template <class Param, class Arg>
using HeldArgument =
    std::conditional_t<std::is_same_v<std::remove_cvref_t<Arg>, Param>, Arg&&, Param>;

/// True where the argument may be kept to outlive the call, if any blocks are borrowed: by moving
/// it away, or by a copy that costs nothing.
template <class Param, class Arg>
inline constexpr bool kMayBeKept =
    !std::is_same_v<std::remove_cvref_t<Arg>, Param> || std::is_scalar_v<Param> ||
    (!std::is_lvalue_reference_v<Arg> && !std::is_const_v<Arg>);

/// The encoded arguments of a call, and what keeps their borrowed blocks alive where they moved.
template <class... Params, class... Args>
std::shared_ptr<void const> encode_arguments(Message& message, std::tuple<Params...> const*,
                                             Args&&... args) {
  std::tuple<HeldArgument<Params, Args>...> held{std::forward<Args>(args)...};
  auto const encode_all_of = [&](auto const&... argument) { encode_all(message, argument...); };
  std::apply(encode_all_of, held);
  if constexpr ((kMayBeKept<Params, Args> && ...)) {
    if (message.borrows()) {
      // Once more, since not every type keeps its blocks when it moves.
      auto kept = std::make_shared<std::tuple<Params...>>(std::move(held));
      message.clear();
      std::apply(encode_all_of, *kept);
      return kept;
    }
  }
  return nullptr;
}

template <auto Member>
inline constexpr ArgumentsOf<Member> const* kArgumentsOf = nullptr;

/// Starts a call of Member. The arguments were checked to convert.
template <auto Member, class... Args>
Future<ResultOf<Member>> start_call(std::shared_ptr<Connection> const& connection,
                                    FunctionId function, Args&&... args) {
  ScratchMessage scratch;
  auto owner = encode_arguments(scratch.get(), kArgumentsOf<Member>, std::forward<Args>(args)...);
  auto* const state = new CallState(connection->engine(), connection, signature_of<Member>());
  Future<ResultOf<Member>> future(state);
  connection->call(function, scratch.get(), *state, std::move(owner));
  return future;
}

/// Starts a call that nobody answers. Throws Error where it cannot be sent.
template <auto Member, class... Args>
void post_call(std::shared_ptr<Connection> const& connection, FunctionId function, Args&&... args) {
  ScratchMessage scratch;
  auto owner = encode_arguments(scratch.get(), kArgumentsOf<Member>, std::forward<Args>(args)...);
  connection->post(function, signature_of<Member>(), scratch.get(), std::move(owner));
}

/// Starts a call with streams.
template <auto Member, class... Args>
OpenCallOf<Member> open_call(std::shared_ptr<Connection> const& connection, FunctionId function,
                             Args&&... args) {
  using Traits = TraitsOf<Member>;
  ScratchMessage scratch;
  auto owner = encode_arguments(scratch.get(), kArgumentsOf<Member>, std::forward<Args>(args)...);
  auto& engine = connection->engine();
  auto* const state = new CallState(engine, connection, signature_of<Member>());
  OpenCallOf<Member> open;
  open.result = Future<ResultOf<Member>>(state);
  CallStreams streams;
  connection->call(function, scratch.get(), *state, std::move(owner),
                   {.in = Traits::writes, .out = Traits::reads}, &streams);
  if constexpr (Traits::writes) open.output = {engine, std::move(streams.in)};
  if constexpr (Traits::reads) {
    open.input = Writer<typename Traits::In>(std::move(streams.out));
  }
  return open;
}

}  // namespace cohort::detail
