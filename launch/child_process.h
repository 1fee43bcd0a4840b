// A process that runs for us: its end is an event. A child is watched through its pidfd, and leaves
// no zombie.
#pragma once

#include <functional>

#include <sys/types.h>

#include "core/engine.h"
#include "core/error.h"
#include "core/source.h"
#include "transports/socket.h"

namespace cohort {

/// SIGKILL to that process, and to the group that it leads, unless that is 0; harmless once it has
/// ended, also where its pid was given to somebody else.
void kill_process(int pidfd, pid_t group) noexcept;
/// On a thread of its own, where one can be had: else the child stays a zombie, once it has ended,
/// as long as this process lives.
void reap_whenever_it_ends(UniqueFd pidfd) noexcept;

class WatchedProcess : public Source {
 public:
  /// It was asked to end. Under the I/O lock.
  virtual void expect_end() {}
  /// Watches it no more: on_exit will not run. Under the I/O lock.
  virtual void leave_alone() = 0;
  /// It does not end, though it was killed: on_exit will not run. Under the I/O lock.
  virtual void give_up() noexcept { forget(); }
  /// See kill_process().
  virtual void kill() noexcept;

 protected:
  /// `on_exit` runs once, under the I/O lock, when the process has ended. Attach it to an engine;
  /// it detaches itself. `group` is the process group that kill() takes with it, which the process
  /// leads; 0 where that is not wanted.
  WatchedProcess(Engine& engine, UniqueFd pidfd, std::function<void(ExitReport)> on_exit,
                 pid_t group);

  void forget();
  /// `first` runs once it is watched no more.
  void tell(ExitReport report, std::function<void()> const& first = {});

  UniqueFd pidfd_;
  Engine& engine_;

 private:
  std::function<void(ExitReport)> on_exit_;
  pid_t const group_;
};

class ChildProcess : public WatchedProcess {
 public:
  /// Reaps it at its end.
  ChildProcess(Engine& engine, UniqueFd pidfd, std::function<void(ExitReport)> on_exit,
               pid_t group = 0);

  void leave_alone() override;
  void give_up() noexcept override { leave_alone(); }

  [[nodiscard]] int descriptor() const noexcept override { return pidfd_.get(); }
  bool on_readable() noexcept override;
};

}  // namespace cohort
