// A process that we started, watched through its pidfd: its end is an event, and no zombie stays.
#pragma once

#include <functional>

#include <sys/types.h>

#include "core/engine.h"
#include "core/error.h"
#include "core/source.h"
#include "transports/socket.h"

namespace cohort {

class ChildProcess : public Source {
 public:
  /// `on_exit` runs once, under the I/O lock, when the process has ended and was reaped. Attach it
  /// to an engine; it detaches itself. `group` is the process group that kill() takes with it,
  /// which the process leads; 0 where that is not wanted.
  ChildProcess(Engine& engine, UniqueFd pidfd, std::function<void(ExitReport)> on_exit,
               pid_t group = 0);

  /// Watches it no more: on_exit will not run. Under the I/O lock.
  void leave_alone();
  /// SIGKILL; harmless once it has ended, also where its pid was given to somebody else.
  void kill() noexcept;

  [[nodiscard]] int descriptor() const noexcept override { return pidfd_.get(); }
  bool on_readable() noexcept override;

 private:
  Engine& engine_;
  UniqueFd pidfd_;
  std::function<void(ExitReport)> on_exit_;
  pid_t const group_;
};

}  // namespace cohort
