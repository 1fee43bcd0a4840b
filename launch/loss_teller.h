// Tells the owner of a Managed of each loss of its connections, once and soon, on on_failure's
// thread; and lets those who find out by themselves wait until that was told.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

#include "launch/connection_handle.h"
#include "launch/runtime.h"

namespace cohort {

class LossTeller : public std::enable_shared_from_this<LossTeller> {
 public:
  explicit LossTeller(std::function<void()> on_loss) : on_loss_(std::move(on_loss)) {}

  /// Whether there is somebody to tell.
  [[nodiscard]] bool tells() const noexcept { return static_cast<bool>(on_loss_); }
  /// From now on its loss is told. Returns how many connections that makes.
  std::uint64_t watch(ConnectionHandle& connection, std::shared_ptr<Runtime> const& runtime);
  /// Whether so many losses were told. So it is on the thread that tells, and after close().
  [[nodiscard]] bool has_told(std::uint64_t losses, Runtime const& runtime) const {
    return told_.load(std::memory_order_acquire) >= losses || runtime.failures.is_current();
  }
  /// Waits until that is so.
  void wait_for(std::uint64_t losses, Runtime const& runtime);
  /// Tells of no more; waits for one that is being told, save on the thread that tells.
  void close(Runtime const& runtime);

 private:
  void tell();
  void stop_telling();
  void count();

  std::function<void()> const on_loss_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t watched_ = 0;
  std::atomic<std::uint64_t> told_{0};
  bool tells_ = false;  // at this moment
  bool closed_ = false;
};

}  // namespace cohort
