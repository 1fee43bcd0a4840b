// A thread that runs what it is given, one after the other. Starts with the first task. A forked
// child has no such thread: what is given to it there is dropped.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "core/fork.h"

namespace cohort {

class SerialThread {
 public:
  /// `purpose` says what the thread is for, where it cannot be started; a literal.
  explicit SerialThread(char const* purpose = "tasks") noexcept : purpose_(purpose) {}
  SerialThread(SerialThread const&) = delete;
  SerialThread& operator=(SerialThread const&) = delete;
  ~SerialThread() { finish(); }

  /// Runs what was posted, then ends; nothing may be posted after it. Idempotent.
  void finish();

  /// Starts the thread now, for who posts where nothing may fail. Throws Error (kRefused) where
  /// there is none to be had. Any thread.
  void start();
  /// Any thread. A task must not throw; it may end the thread it runs on. Throws Error (kRefused)
  /// where no thread can be started; then the task never runs.
  void post(std::function<void()> task);
  /// Returns when all that was posted before has run. Not from the thread itself.
  void drain();
  /// Posts, and returns when the task ran. Not from the thread itself. Throws what it throws, as
  /// post(), and Error (kRefused) in a forked child.
  void run(std::function<void()> task);
  [[nodiscard]] bool is_current() const noexcept;

 private:
  void start_if_needed();  // under mutex_
  void replace_this_thread() noexcept;
  void loop();

  Birthplace const birthplace_;
  char const* const purpose_;
  std::atomic<std::thread::id> current_{};
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  bool stop_ = false;
  bool running_ = false;  // there is a thread in loop(), also while finish() joins it
  std::thread thread_;
};

}  // namespace cohort
