#include "core/serial_thread.h"

#include <future>
#include <utility>

namespace cohort {

void SerialThread::finish() {
  {
    std::lock_guard const lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void SerialThread::post(std::function<void()> task) {
  {
    std::lock_guard const lock(mutex_);
    tasks_.push_back(std::move(task));
    if (!thread_.joinable()) thread_ = std::thread([this] { loop(); });
  }
  wake_.notify_one();
}

void SerialThread::drain() {
  {
    std::lock_guard const lock(mutex_);
    if (!thread_.joinable()) return;
  }
  run([] {});
}

void SerialThread::run(std::function<void()> task) {
  std::packaged_task<void()> packaged(std::move(task));
  auto done = packaged.get_future();
  post([&packaged] { packaged(); });
  done.get();
}

bool SerialThread::is_current() const noexcept {
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
    lock.lock();
  }
}

}  // namespace cohort
