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

namespace cohort::detail {

/// An argument as it is encoded: in place where its type fits already, else converted.
template <class Param, class Arg>
using HeldArgument =
    std::conditional_t<std::is_same_v<std::remove_cvref_t<Arg>, Param>, Arg&&, Param>;

/// True where the argument may be moved away to outlive the call, if its blocks are borrowed.
template <class Param, class Arg>
inline constexpr bool kMayBeMoved = !std::is_same_v<std::remove_cvref_t<Arg>, Param> ||
                                    (!std::is_lvalue_reference_v<Arg> && !std::is_const_v<Arg>);

/// A message for this thread to encode into, whose memory is used again.
class ScratchMessage {
 public:
  ScratchMessage() : message_(std::exchange(kept(), Message())) {}
  ScratchMessage(ScratchMessage const&) = delete;
  ScratchMessage& operator=(ScratchMessage const&) = delete;
  ~ScratchMessage() {
    message_.clear();
    kept() = std::move(message_);
  }
  [[nodiscard]] Message& get() noexcept { return message_; }

 private:
  static Message& kept() {
    static thread_local Message message;
    return message;
  }
  Message message_;
};

template <auto Member, class... Params, class... Args>
Future<ResultOf<Member>> start_call_with(std::shared_ptr<Connection> const& connection,
                                         FunctionId function, std::tuple<Params...> const*,
                                         Args&&... args) {
  ScratchMessage scratch;
  auto& message = scratch.get();
  std::tuple<HeldArgument<Params, Args>...> held{std::forward<Args>(args)...};
  std::apply([&](auto const&... argument) { (encode(message, argument), ...); }, held);

  std::shared_ptr<void const> owner;
  if constexpr ((kMayBeMoved<Params, Args> && ...)) {
    // The blocks of vectors and strings stay where they are when their owner moves.
    if (message.borrows()) owner = std::make_shared<std::tuple<Params...>>(std::move(held));
  }
  auto* const state = new CallState(connection->engine(), connection, signature_of<Member>());
  Future<ResultOf<Member>> future(state);
  connection->call(function, message, *state, std::move(owner));
  return future;
}

/// Starts a call of Member. The arguments were checked to convert.
template <auto Member, class... Args>
Future<ResultOf<Member>> start_call(std::shared_ptr<Connection> const& connection,
                                    FunctionId function, Args&&... args) {
  return start_call_with<Member>(connection, function,
                                 static_cast<ArgumentsOf<Member> const*>(nullptr),
                                 std::forward<Args>(args)...);
}

}  // namespace cohort::detail
