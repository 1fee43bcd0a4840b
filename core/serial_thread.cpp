#include "core/serial_thread.h"

#include <exception>
#include <future>
#include <utility>

#include <cxxabi.h>

#include "core/forced_unwind.h"
#include "core/start_thread.h"

namespace cohort {

void SerialThread::finish() {
  if (birthplace_.is_elsewhere()) return abandon(std::move(thread_));
  std::unique_lock lock(mutex_);
  stop_ = true;
  wake_.notify_one();
  while (thread_.joinable()) {  // again, where a task ended the thread
    auto last = std::move(thread_);
    lock.unlock();
    last.join();
    lock.lock();
  }
}

void SerialThread::start() {
  std::lock_guard const lock(mutex_);
  start_if_needed();
}

void SerialThread::start_if_needed() {
  if (running_) return;
  if (thread_.joinable()) thread_.join();  // it has ended
  thread_ = start_thread(purpose_, [this] { loop(); });
  running_ = true;
}

void SerialThread::post(std::function<void()> task) {
  if (birthplace_.is_elsewhere()) return;
  {
    std::lock_guard const lock(mutex_);
    start_if_needed();  // first: a task whose caller is told that it cannot run must not run later
    tasks_.push_back(std::move(task));
  }
  wake_.notify_one();
}

void SerialThread::drain() {
  if (birthplace_.is_elsewhere()) return;
  {
    std::lock_guard const lock(mutex_);
    if (!running_) return;
  }
  run([] {});
}

void SerialThread::run(std::function<void()> task) {
  birthplace_.require_here();
  std::packaged_task<void()> packaged(std::move(task));
  auto done = packaged.get_future();
  post([&packaged] { packaged(); });
  done.get();
}

bool SerialThread::is_current() const noexcept {
  if (birthplace_.is_elsewhere()) return false;
  return current_.load() == std::this_thread::get_id();
}

void SerialThread::loop() {
  prepare_for_forced_unwind();
  current_.store(std::this_thread::get_id());
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stop_ || !tasks_.empty(); });
    if (tasks_.empty()) break;
    auto task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    try {
      task();
      task = {};  // what it holds is the user's: not under the mutex
    } catch (abi::__forced_unwind const&) {
      birthplace_.leave_if_elsewhere("a callback");
      lock.lock();
      replace_this_thread();
      throw;
    }
    birthplace_.leave_if_elsewhere("a callback");
    lock.lock();
  }
  current_.store({});
  running_ = false;
}

/// The task ended the thread that it ran on (pthread_exit): another one runs the rest.
void SerialThread::replace_this_thread() noexcept {
  current_.store({});
  running_ = false;
  if (thread_.get_id() == std::this_thread::get_id()) thread_.detach();  // else it is joined
  try {
    start_if_needed();
  } catch (std::exception const&) {
    // The next task tries again.
  }
}

}  // namespace cohort
