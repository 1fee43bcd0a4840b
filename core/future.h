// Futures of calls. Eager: the call is on its way before its future exists.
// A future belongs to one thread at a time; different futures may be used side by side.
#pragma once

#include <chrono>
#include <cstddef>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/archive.h"
#include "core/call_state.h"
#include "core/clock.h"
#include "core/connection.h"
#include "core/error.h"
#include "core/next_iterator.h"

namespace cohort {

/// The part of a future that does not know the result's type. Moves, does not copy. Without a call
/// (see valid()) its functions throw std::logic_error. Once the Cluster of its worker is gone, it
/// may be destroyed and nothing else.
class AnyFuture {
 public:
  /// @cond of cohort itself
  AnyFuture() = default;
  explicit AnyFuture(CallState* state) noexcept : state_(state) {}
  AnyFuture(AnyFuture&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  AnyFuture& operator=(AnyFuture&& other) noexcept {
    AnyFuture moved(std::move(other));
    std::swap(state_, moved.state_);
    return *this;
  }
  /// @endcond
  /// Dropping a future neither cancels its call nor waits for it.
  ~AnyFuture() {
    if (state_ != nullptr) state_->release();
  }

  /// False once get() was called, and for a default-constructed future.
  [[nodiscard]] bool valid() const noexcept { return state_ != nullptr; }
  /// True when get() will not wait.
  [[nodiscard]] bool ready() const { return state().done.ready(); }
  /// Waits until the call is settled: by its answer, by cancel(), or by the end of its worker or of
  /// the connection to it. Does not throw the call's Error. There is no other bound: a function
  /// that computes on is waited for. A callback may wait, and holds up the others meanwhile.
  void wait() const { static_cast<void>(wait(Deadline::never())); }
  /// The same, no longer than the duration. Returns whether the call is settled.
  [[nodiscard]] bool wait_for(Clock::duration duration) const {
    return wait(Deadline::after(duration));
  }
  /// One line, for people: which function of which worker was called how long ago, and what is
  /// known of it: that it was answered or has failed; that it waits its turn, behind which function
  /// of whose; that it runs, and what that waits for; that the worker does not answer. Asks the
  /// worker, which answers while a function runs too, and waits a second for that at the most.
  [[nodiscard]] std::string explain() const;
  /// Settles the call as cancelled, at once, unless it is settled already. A worker that has not
  /// begun the call never will; one that runs it sees its std::stop_token, where it takes one. Does
  /// not wait for that.
  void cancel() const;

  /// @cond of cohort itself
 protected:
  bool wait(Deadline deadline) const;
  [[nodiscard]] CallState& state() const {
    if (state_ == nullptr)
      throw std::logic_error("cohort: this future has no call (get() was called?)");
    return *state_;
  }
  struct Release {
    void operator()(CallState* state) const noexcept { state->release(); }
  };
  /// Waits, gives up the state, and throws the call's error where there is one.
  [[nodiscard]] std::unique_ptr<CallState, Release> take();
  /// What is thrown where its result came, and there is no memory to hold it.
  [[nodiscard]] static Error lacks_memory(CallState const& call);

 private:
  friend class CompletionWatch;
  CallState* state_ = nullptr;
  /// @endcond
};

/// The result of a call, which may not have come yet.
template <class R>
class [[nodiscard]] Future : public AnyFuture {
 public:
  /// @cond of cohort itself
  using AnyFuture::AnyFuture;
  explicit Future(AnyFuture&& other) noexcept : AnyFuture(std::move(other)) {}
  /// @endcond

  /// Waits as wait() does, and gives the result up: the future is no longer valid afterwards, also
  /// where this throws. Throws Error: kFailed with what the function threw; kDisconnected where the
  /// worker, or the connection to it, ended; kCancelled; kRefused where arguments, result or an
  /// element that it streams exceed max_message_size, there is no memory for the result, or the
  /// function takes a Session that was not opened; kProtocol where the result does not decode,
  /// whatever its `serialize` throws.
  R get() {
    auto const taken = take();
    if constexpr (!std::is_void_v<R>) {
      try {
        return decode<R>(taken->payload.bytes());
      } catch (DecodeError const& error) {
        throw Error(ErrorKind::kProtocol, error.what(),
                    place_of(taken->connection, taken->function));
      } catch (std::bad_alloc const&) {
        throw lacks_memory(*taken);
      }
    }
  }
};

/// Watches several calls and names them in the order in which they are settled. One thread at a
/// time.
class CompletionWatch {
 public:
  CompletionWatch() = default;
  /// @cond of cohort itself
  /// Others push into this queue, too.
  explicit CompletionWatch(std::shared_ptr<CompletionQueue> queue) : queue_(std::move(queue)) {}
  /// @endcond
  CompletionWatch(CompletionWatch const&) = delete;
  CompletionWatch& operator=(CompletionWatch const&) = delete;
  ~CompletionWatch();

  /// `tag` is what next() will give. The future must stay where it is or be moved only. A future
  /// that another watch waits for is taken from it. Throws std::logic_error where it has no call.
  void add(AnyFuture const& future, std::size_t tag);
  /// Waits for the next settled call and gives its tag; nothing when none is left or the deadline
  /// passed. Throws no call's Error: get() does.
  [[nodiscard]] std::optional<std::size_t> next(Deadline deadline = Deadline::never());
  /// How many were added and not named yet.
  [[nodiscard]] std::size_t left() const { return queue_ ? queue_->left() : 0; }

 private:
  std::shared_ptr<CompletionQueue> queue_;
};

/// `for (std::size_t i : as_completed(futures)) use(futures[i].get());`, in order of completion.
/// A step waits as CompletionWatch::next() does; get() alone throws a call's Error. The futures
/// must outlive the loop, and each must have a call (std::logic_error).
template <class R>
class AsCompleted {
 public:
  /// @cond of cohort itself
  explicit AsCompleted(std::span<Future<R> const> futures) {
    for (std::size_t i = 0; i < futures.size(); ++i) watch_.add(futures[i], i);
  }

  using Iterator = NextIterator<CompletionWatch>;
  /// @endcond
  /// Waits for the first. Once: a second one throws std::logic_error.
  Iterator begin() {
    once_.begin();
    return Iterator(watch_);
  }
  /// After the last.
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  CompletionWatch watch_;
  ReadOnce once_;
};

/// See AsCompleted.
template <class R>
[[nodiscard]] AsCompleted<R> as_completed(std::vector<Future<R>> const& futures) {
  return AsCompleted<R>(std::span<Future<R> const>(futures));
}

/// Several futures as one. One thread at a time. Once moved from, it throws std::logic_error.
template <class R>
class [[nodiscard]] AllOf {
 public:
  /// Takes them over; each must have a call, or what follows throws std::logic_error.
  explicit AllOf(std::vector<Future<R>> futures) : futures_(std::move(futures)) {}
  /// @cond
  AllOf(AllOf&& other) noexcept
      : futures_(std::move(other.futures_)), valid_(std::exchange(other.valid_, false)) {}
  AllOf& operator=(AllOf&& other) noexcept {
    futures_ = std::move(other.futures_);
    valid_ = std::exchange(other.valid_, false);
    return *this;
  }
  /// @endcond

  /// True when get() will not wait.
  [[nodiscard]] bool ready() const {
    check_valid();
    for (auto const& future : futures_) {
      if (!future.ready()) return false;
    }
    return true;
  }
  /// Waits until all calls are settled, no longer than the duration for all of them together.
  /// Returns whether they are.
  [[nodiscard]] bool wait_for(Clock::duration duration) const {
    check_valid();
    auto const deadline = Deadline::after(duration);
    for (auto const& future : futures_) {
      if (!future.wait_for(deadline.left())) return false;
    }
    return true;
  }
  /// What AnyFuture::explain() says of the first that is not settled; of the last, where all are.
  [[nodiscard]] std::string explain() const {
    check_valid();
    for (auto const& future : futures_) {
      if (!future.ready()) return future.explain();
    }
    return futures_.empty() ? "there are no calls" : futures_.back().explain();
  }
  /// Cancels each.
  void cancel() const {
    check_valid();
    for (auto const& future : futures_) future.cancel();
  }
  /// Waits for all of them, then gives all results in the order of the futures, or throws the first
  /// Error in that order; what became of the others is lost. Once.
  auto get() {
    check_valid();
    for (auto const& future : futures_) future.wait();
    if constexpr (std::is_void_v<R>) {
      for (auto& future : futures_) future.get();
    } else {
      std::vector<R> results;
      results.reserve(futures_.size());
      for (auto& future : futures_) results.push_back(future.get());
      return results;
    }
  }

 private:
  void check_valid() const {
    if (!valid_) throw std::logic_error("cohort: these futures were moved away");
  }

  std::vector<Future<R>> futures_;
  bool valid_ = true;
};

/// See AllOf.
template <class R>
AllOf<R> when_all(std::vector<Future<R>> futures) {
  return AllOf<R>(std::move(futures));
}

}  // namespace cohort
