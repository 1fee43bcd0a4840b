// A thread that runs what it is given, one after the other. Starts with the first task. A forked
// child has no such thread: what is given to it there is dropped.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "core/fork.h"

namespace cohort {

class SerialThread {
 public:
  SerialThread() = default;
  SerialThread(SerialThread const&) = delete;
  SerialThread& operator=(SerialThread const&) = delete;
  ~SerialThread() { finish(); }

  /// Runs what was posted, then ends; nothing may be posted after it. Idempotent.
  void finish();

  /// Any thread. A task must not throw.
  void post(std::function<void()> task);
  /// Returns when all that was posted before has run. Not from the thread itself.
  void drain();
  /// Posts, and returns when the task ran. Not from the thread itself. Throws what it throws, and
  /// Error (kRefused) in a forked child.
  void run(std::function<void()> task);
  [[nodiscard]] bool is_current() const noexcept;

 private:
  void loop();

  Birthplace const birthplace_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace cohort
