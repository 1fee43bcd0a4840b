#include "launch/loss_teller.h"

#include <limits>
#include <utility>

#include <cxxabi.h>

#include "launch/log.h"

namespace cohort {

/// What runs on the thread does not hold the runtime, which that thread belongs to.
std::uint64_t LossTeller::watch(ConnectionHandle& connection,
                                std::shared_ptr<Runtime> const& runtime) {
  std::unique_lock lock(mutex_);
  auto const number = ++watched_;
  lock.unlock();
  connection.when_lost([self = shared_from_this(), weak = std::weak_ptr(runtime)] {
    if (!self->tells()) return self->count();
    auto const alive = weak.lock();
    try {
      if (alive) return alive->failures.post([self] { self->tell(); });
    } catch (std::exception const&) {
      // No memory or thread: nobody is to wait for it.
    }
    self->count();
  });
  return number;
}

void LossTeller::tell() {
  {
    std::lock_guard const lock(mutex_);
    if (closed_) return;
    tells_ = true;
  }
  try {
    on_loss_();
  } catch (abi::__forced_unwind const&) {
    stop_telling();
    throw;  // it ended the thread
  } catch (...) {
    auto const text = describe_current_exception();
    log(LogLevel::kError, "on_loss of a Managed threw " + text.type + ": " + text.what);
  }
  stop_telling();
}

void LossTeller::stop_telling() {
  {
    std::lock_guard const lock(mutex_);
    tells_ = false;
  }
  count();
}

void LossTeller::count() {
  std::lock_guard const lock(mutex_);
  if (!closed_) ++told_;
  changed_.notify_all();
}

void LossTeller::wait_for(std::uint64_t losses, Runtime const& runtime) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return has_told(losses, runtime); });
}

void LossTeller::close(Runtime const& runtime) {
  bool const tells_here = runtime.failures.is_current();
  std::unique_lock lock(mutex_);
  closed_ = true;
  told_ = std::numeric_limits<std::uint64_t>::max();
  changed_.notify_all();
  changed_.wait(lock, [&] { return !tells_ || tells_here; });
}

}  // namespace cohort
