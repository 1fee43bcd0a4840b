// One start of a task on one worker, looked at by the operation that started it and, where the
// worker is lost, by the group's other operations: who of them had it, and so is to blame?
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "core/error.h"
#include "core/future.h"
#include "jobs/outcome.h"

namespace cohort {

/// Any thread.
class Attempt {
 public:
  enum class State {
    kWaiting,    ///< for the worker's answer
    kAnswered,   ///< by the worker, which is done with all that was started on it before
    kRefused,    ///< the call never was on its way
    kCancelled,  ///< the worker may run it still, or never have begun
    kLost,       ///< with its worker
  };

  Attempt() = default;
  Attempt(Attempt const&) = delete;
  Attempt& operator=(Attempt const&) = delete;
  virtual ~Attempt() = default;
  /// Never waits.
  [[nodiscard]] virtual State state() = 0;

 private:
  template <class W>
  friend class WorkerGroup;
  // The group's, under its lock.
  std::size_t place_ = 0;
  std::uint32_t generation_ = 0;
  bool to_blame_ = false;
};

template <class T>
class AttemptOf : public Attempt {
 public:
  explicit AttemptOf(Future<T> future) : future_(std::move(future)) {}

  [[nodiscard]] State state() override {
    std::lock_guard const lock(mutex_);
    if (state_ == State::kWaiting && future_.ready()) settle();
    return state_;
  }
  /// What it came to; once, and only after state() was not kWaiting.
  [[nodiscard]] typename Outcome<T>::Value take() {
    std::lock_guard const lock(mutex_);
    return std::move(*value_);
  }
  void cancel() {
    std::lock_guard const lock(mutex_);
    if (future_.valid()) future_.cancel();
  }
  /// The watch tells of its end.
  void watch(CompletionWatch& watch, std::size_t tag) {
    std::lock_guard const lock(mutex_);
    watch.add(future_, tag);
  }

 private:
  void settle() {
    state_ = State::kAnswered;
    try {
      if constexpr (std::is_void_v<T>) {
        future_.get();
        value_.emplace();
      } else {
        value_.emplace(std::in_place_index<0>, future_.get());
      }
    } catch (Error& error) {
      if (error.kind() == ErrorKind::kDisconnected) state_ = State::kLost;
      if (error.kind() == ErrorKind::kCancelled) state_ = State::kCancelled;
      if (error.kind() == ErrorKind::kRefused) state_ = State::kRefused;
      value_.emplace(std::in_place_index<1>, std::move(error));
    } catch (...) {
      // The reply did not decode, or there is no memory for it: that is this task's alone.
      auto text = describe_current_exception();
      value_.emplace(std::in_place_index<1>,
                     Error(ErrorKind::kFailed, "its result cannot be taken: " + text.what, {},
                           std::move(text.type)));
    }
  }

  std::mutex mutex_;
  Future<T> future_;
  State state_ = State::kWaiting;
  std::optional<typename Outcome<T>::Value> value_;
};

}  // namespace cohort
