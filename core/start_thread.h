// The one place that starts threads: where the system has none left, it says what could not be
// started, why, and which limits to look at.
#pragma once

#include <future>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace cohort {

/// Throws Error (kRefused): "cannot start a thread for <what> (pid 7 on node3): Resource
/// temporarily unavailable: ...".
[[noreturn]] void throw_no_thread(char const* what, std::error_code const& why);
/// What to look at where the system starts no thread or process; empty for errors of other kinds.
[[nodiscard]] std::string limits_behind(int error);

/// `what` says what the thread is for. Throws Error (kRefused) where it cannot be started.
template <class Function>
[[nodiscard]] std::thread start_thread(char const* what, Function&& function) {
  try {
    return std::thread(std::forward<Function>(function));
  } catch (std::system_error const& error) {
    throw_no_thread(what, error.code());
  }
}

/// The same by std::async, for who waits for the end.
template <class Function>
[[nodiscard]] std::future<void> start_async(char const* what, Function&& function) {
  try {
    return std::async(std::launch::async, std::forward<Function>(function));
  } catch (std::system_error const& error) {
    throw_no_thread(what, error.code());
  }
}

}  // namespace cohort
