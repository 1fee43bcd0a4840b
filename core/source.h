// What an Engine gives attention to: a descriptor, or something that must be polled.
#pragma once

#include <memory>

namespace cohort {

/// Keeps bytes unsent for a moment, so that they go out together (see Engine::hold_back).
class Gatherer {
 public:
  virtual ~Gatherer() = default;
  /// Sends what has gathered. Any thread, no I/O lock.
  virtual void flush() noexcept = 0;
};

/// Handlers run on whichever thread drives, one at a time, under the engine's I/O lock. They never
/// block, never throw, and never run user code: what a user wrote runs after the lock was left.
class Source : public std::enable_shared_from_this<Source> {
 public:
  virtual ~Source() = default;

  /// Constant while attached. -1: none; somebody else calls its handlers, under the I/O lock.
  [[nodiscard]] virtual int descriptor() const noexcept = 0;
  /// Attends to input. Returns true when there was some.
  virtual bool on_readable() noexcept = 0;
  /// Called after Engine::want_writable(true) once the descriptor takes bytes again.
  virtual void on_writable() noexcept {}
  /// True for a connection, whose input is worth a try without asking epoll first.
  [[nodiscard]] virtual bool is_hot() const noexcept { return false; }
};

/// A source without a descriptor for its traffic, such as MPI. While somebody spins it is polled;
/// before a thread blocks, it arranges that some descriptor of the engine (its own, where it has
/// one) becomes readable when traffic comes.
class PolledSource : public Source {
 public:
  /// Attends to traffic. Returns true when there was some. Wakes it, where it had gone to sleep.
  virtual bool poll() noexcept = 0;
  /// Goes to sleep: from now on a descriptor becomes readable when traffic comes. Returns false
  /// where traffic is there already, so that nobody may block now.
  virtual bool go_to_sleep() noexcept = 0;
};

}  // namespace cohort
