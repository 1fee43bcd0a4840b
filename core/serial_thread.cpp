#include "core/serial_thread.h"

#include <future>
#include <utility>

namespace cohort {

void SerialThread::finish() {
  if (birthplace_.is_elsewhere()) return abandon(std::move(thread_));
  {
    std::lock_guard const lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void SerialThread::post(std::function<void()> task) {
  if (birthplace_.is_elsewhere()) return;
  {
    std::lock_guard const lock(mutex_);
    tasks_.push_back(std::move(task));
    if (!thread_.joinable()) thread_ = std::thread([this] { loop(); });
  }
  wake_.notify_one();
}

void SerialThread::drain() {
  if (birthplace_.is_elsewhere()) return;
  {
    std::lock_guard const lock(mutex_);
    if (!thread_.joinable()) return;
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
  std::lock_guard const lock(mutex_);
  return thread_.get_id() == std::this_thread::get_id();
}

void SerialThread::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stop_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    auto task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    task = {};  // what it holds is the user's: not under the mutex
    birthplace_.leave_if_elsewhere("a callback");
    lock.lock();
  }
}

}  // namespace cohort
