// The worker's side of calls: a queue of what arrived, and the loop that runs it.
// The queue is filled under the I/O lock; run() belongs to one thread, the worker's main thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/archive.h"
#include "core/connection.h"
#include "core/function.h"
#include "core/serial_thread.h"

namespace cohort {

/// A result on its way out: encoded, with what keeps its borrowed blocks alive.
struct Reply {
  Message body;
  std::shared_ptr<void const> owner;
};

/// Decodes the arguments, runs the function on the object, encodes the result.
using Thunk = void (*)(void* object, std::span<std::byte const> arguments, std::stop_token stop,
                       Reply& reply);

struct FunctionEntry {
  std::string_view signature;
  Thunk thunk;
  bool takes_stop_token;
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

template <class W, auto Member>
void run_member(void* object, std::span<std::byte const> bytes, std::stop_token stop,
                Reply& reply) {
  using Traits = FunctionTraits<decltype(Member)>;
  static_assert(!Traits::writes_to_its_arguments,
                "this listed function takes a reference that it can write to, and what it writes "
                "would not reach the caller: take a value or a const reference");
  auto arguments = decode_arguments<typename Traits::Arguments>(bytes);
  auto call = [&](auto&... argument) -> decltype(auto) {
    auto& worker = *static_cast<W*>(object);
    if constexpr (Traits::takes_stop_token) {
      return (worker.*Member)(std::move(argument)..., std::move(stop));
    } else {
      return (worker.*Member)(std::move(argument)...);
    }
  };
  if constexpr (std::is_void_v<typename Traits::Result>) {
    std::apply(call, arguments);
  } else {
    ResultOf<Member> result = std::apply(call, arguments);
    encode(reply.body, result);
    if (reply.body.borrows()) {
      reply.owner = std::make_shared<ResultOf<Member>>(std::move(result));
    }
  }
}

}  // namespace detail

template <class W, auto Member>
inline constexpr FunctionEntry function_entry{
    signature_of<Member>(), &detail::run_member<W, Member>,
    detail::FunctionTraits<decltype(Member)>::takes_stop_token};

class Dispatcher {
 public:
  explicit Dispatcher(Engine& engine) : engine_(engine) {}

  /// The functions that calls name by id, and the object that they run on. Set before run().
  void serve(void* object, std::span<FunctionEntry const> functions) {
    object_ = object;
    functions_ = functions;
  }
  /// Cohort's own functions, by id from kFirstBuiltinFunction up, and what they run on.
  void serve_builtin(void* object, std::span<FunctionEntry const> functions) {
    builtin_object_ = object;
    builtins_ = functions;
  }

  /// Under the I/O lock: takes calls that arrived; returns a batch to use again.
  std::unique_ptr<Batch> enqueue(std::unique_ptr<Batch> batch);
  /// Any thread: a queued call is dropped, a running one sees its stop token.
  void cancel(CallId call);
  /// Any thread: run() returns after the call that it runs, whose stop token is triggered.
  void stop();

  /// Runs calls that arrive on `connection`, one at a time, until stop().
  void run(Connection& connection);

 private:
  struct Cancelled {
    CallId call;
    std::uint64_t moot_after;  // so many calls were begun: this one was, and had ended
  };

  [[nodiscard]] std::unique_ptr<Batch> next_batch(std::unique_ptr<Batch> done);
  void forget_late_cancels();
  void run_batch(Connection& connection, Batch const& batch);
  void run_call(Connection& connection, Frame const& frame, bool more_follows);
  [[nodiscard]] FunctionEntry const* find(FunctionId function, void*& object) const;
  [[nodiscard]] std::optional<std::stop_token> begin(CallId call, bool takes_stop_token);
  void finish() noexcept;

  Engine& engine_;
  void* object_ = nullptr;
  std::span<FunctionEntry const> functions_;
  void* builtin_object_ = nullptr;
  std::span<FunctionEntry const> builtins_;
  Reply reply_;

  std::atomic<bool> stopping_{false};
  std::atomic<bool> any_cancelled_{false};
  Event has_work_;

  std::mutex mutex_;
  std::deque<std::unique_ptr<Batch>> queue_;
  std::unique_ptr<Batch> spare_;
  std::uint64_t enqueued_ = 0;  // calls so far
  std::uint64_t begun_ = 0;     // of them, as of the last batch that was taken
  std::set<CallId> cancelled_;
  std::deque<Cancelled> cancelled_in_order_;
  CallId running_{};
  std::optional<std::stop_source> running_stop_;
  SerialThread stopper_;  // runs the stop callbacks, which are the user's code
};

}  // namespace cohort
