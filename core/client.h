// A connection whose calls this process answers, and the session that its calls see. Any thread.
#pragma once

#include <memory>
#include <mutex>
#include <utility>

namespace cohort {

class Connection;

class Client {
 public:
  std::shared_ptr<Connection> connection;  ///< set before its first call

  /// The worker type's Session object; calls that run with the old one keep it until they end.
  [[nodiscard]] std::shared_ptr<void> session() const {
    std::lock_guard const lock(mutex_);
    return session_;
  }
  void set_session(std::shared_ptr<void> session) {
    std::shared_ptr<void> old;  // destroyed after the mutex was left
    std::lock_guard const lock(mutex_);
    old = std::exchange(session_, std::move(session));
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<void> session_;
};

}  // namespace cohort
