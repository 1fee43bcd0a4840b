// What a fork in a user's code leaves: a child that has a copy of everything, and that owns nothing
// of it. Its parent's sockets are dead in it, its parent's threads are not there, and locks may be
// held by them for ever: so whatever has a Birthplace looks at that before it does anything.
// exec, posix_spawn, std::system, popen and vfork do not come here.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

namespace cohort {

namespace detail {
/// How many forks lie between this process and the one that loaded the program.
extern std::atomic<std::uint32_t> fork_depth;
void keep_for_ever(std::shared_ptr<void> what);
}  // namespace detail

/// The process in which an object was made.
class Birthplace {
 public:
  /// Whether this process is a forked child of that one.
  [[nodiscard]] bool is_elsewhere() const noexcept {
    return depth_ != detail::fork_depth.load(std::memory_order_relaxed);
  }
  /// Throws Error (kRefused) where it is.
  void require_here() const {
    if (is_elsewhere()) refuse();
  }
  /// A user's code has returned to cohort's, which the child is not to go on with: ends it where it
  /// is one, after a line on stderr, without what a process does at its exit.
  void leave_if_elsewhere(char const* returned_from) const noexcept {
    if (is_elsewhere()) leave(returned_from);
  }

 private:
  [[noreturn]] static void refuse();
  [[noreturn]] static void leave(char const* returned_from) noexcept;

  std::uint32_t const depth_ = detail::fork_depth.load(std::memory_order_relaxed);
};

/// Keeps what a forked child has of its parent's, so that no destructor of it runs.
template <class T>
void abandon(T&& what) {
  detail::keep_for_ever(std::make_shared<std::remove_reference_t<T>>(std::forward<T>(what)));
}

/// From now on a forked child has, under that number, nothing that its parent has there. Close the
/// descriptor only after share_with_forks().
void keep_from_forks(int descriptor) noexcept;
/// Takes that back.
void share_with_forks(int descriptor) noexcept;

}  // namespace cohort
