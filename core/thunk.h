// How a listed function is called from bytes: what its FunctionList entry holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "core/archive.h"
#include "core/client.h"
#include "core/frame.h"
#include "core/function.h"
#include "core/stream.h"
#include "core/stream_table.h"

namespace cohort {

/// A result on its way out: encoded, with what keeps its borrowed blocks alive.
struct Reply {
  Message body;
  std::shared_ptr<void const> owner;
};

/// What a function may be given beside its arguments.
struct CallContext {
  Engine& engine;
  Client& client;
  CallStreams streams;
  std::stop_token stop;
};

/// Decodes the arguments, runs the function on the object, encodes the result.
using Thunk = void (*)(void* object, std::span<std::byte const> arguments, CallContext& context,
                       Reply& reply);

struct FunctionEntry {
  std::string_view signature;
  Thunk thunk;
  bool takes_stop_token = false;
  std::uint8_t stream_flags = 0;  ///< the frame_flags of its calls
};

namespace detail {

/// The arguments of a call are none of its function.
struct BadArguments : DecodeError {
  using DecodeError::DecodeError;
};

template <class T>
T decode_arguments(std::span<std::byte const> bytes) {
  try {
    return decode<T>(bytes);
  } catch (DecodeError const& error) {
    throw BadArguments(error.what());  // unlike one that the function itself throws
  }
}

/// One call's parameters, in whichever order the function takes them.
template <class Traits>
struct Parameters {
  typename Traits::Arguments arguments;
  Stream<std::conditional_t<Traits::reads, typename Traits::In, char>> in{};
  Writer<std::conditional_t<Traits::writes, typename Traits::Out, char>> out{};
  std::stop_token stop{};
  std::shared_ptr<void> session{};

  /// The parameter at place I of the function.
  template <std::size_t I>
  decltype(auto) get() {
    using Param = std::tuple_element_t<I, typename Traits::Raw>;
    constexpr auto kRole = Traits::roles[I];
    if constexpr (kRole == Role::kSession) {
      return *static_cast<std::remove_reference_t<Param>*>(session.get());
    } else if constexpr (kRole == Role::kStream) {
      return static_cast<Param>(in);
    } else if constexpr (kRole == Role::kWriter) {
      return static_cast<Param>(out);
    } else if constexpr (kRole == Role::kStopToken) {
      return std::move(stop);
    } else {
      constexpr auto kPlace = Traits::arguments_before(I);
      return std::move(std::get<kPlace>(arguments));
    }
  }
};

template <class T>
T const& initial_of(T const& result) {
  return result;
}
template <class S, class U>
S const& initial_of(State<S, U> const& state) {
  return state.initial;
}

template <class W, auto Member>
void run_member(void* object, std::span<std::byte const> bytes, CallContext& context,
                Reply& reply) {
  using Traits = TraitsOf<Member>;
  using Returned = std::decay_t<typename Traits::Result>;
  static_assert(!Traits::writes_to_its_arguments,
                "this listed function takes a reference that it can write to, and what it writes "
                "would not reach the caller: take a value or a const reference");
  static_assert(std::is_void_v<typename StateParts<Returned>::update> ||
                    (Traits::keeps_its_writer &&
                     std::is_same_v<typename StateParts<Returned>::update, typename Traits::Out>),
                "a function that returns State<S, U> takes a Writer<U> by value, and keeps it");
  Parameters<Traits> parameters{decode_arguments<typename Traits::Arguments>(bytes)};
  if constexpr (Traits::takes_session) {
    parameters.session = context.client.session();
    if (!parameters.session) {
      throw BadArguments("this function takes a Session, which its caller has not opened");
    }
  }
  if constexpr (Traits::reads) {
    parameters.in = {context.engine, std::move(context.streams.in)};
  }
  if constexpr (Traits::writes) {
    parameters.out = Writer<typename Traits::Out>(std::move(context.streams.out));
  }
  if constexpr (Traits::takes_stop_token) parameters.stop = std::move(context.stop);
  auto call = [&]<std::size_t... I>(std::index_sequence<I...>)->decltype(auto) {
    return (static_cast<W*>(object)->*Member)(parameters.template get<I>()...);
  };
  constexpr std::make_index_sequence<std::tuple_size_v<typename Traits::Raw>> kPlaces{};
  if constexpr (std::is_void_v<Returned>) {
    call(kPlaces);
  } else {
    Returned result = call(kPlaces);
    encode(reply.body, initial_of(result));
    if (!reply.body.borrows()) return;
    // Once more, since not every type keeps its blocks when it moves.
    auto kept = std::make_shared<Returned>(std::move(result));
    reply.body.clear();
    encode(reply.body, initial_of(*kept));
    reply.owner = std::move(kept);
  }
}

}  // namespace detail

template <class W, auto Member>
inline constexpr FunctionEntry function_entry{
    signature_of<Member>(), &detail::run_member<W, Member>, TraitsOf<Member>::takes_stop_token,
    frame_flags::of_streams(TraitsOf<Member>::reads, TraitsOf<Member>::writes)};

}  // namespace cohort
