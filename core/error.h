// The one exception type of the public API: what kind of thing went wrong, where, and why.
#pragma once

#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "core/ids.h"

namespace cohort {

/// One kind for each thing that a caller can do about an error.
enum class ErrorKind {
  kFailed,        ///< the function (or the worker's constructor) threw: mend the input or the code
  kDisconnected,  ///< the worker is gone: call another one
  kCancelled,     ///< the caller cancelled the call
  kTimedOut,      ///< a deadline passed: wait longer, or look at what hangs
  kRefused,       ///< not accepted: handshake, authentication, version, a message over its limit
  kProtocol,      ///< the peer broke the wire format: a bug, or a foreign program on that port
};

/// Its name, as what() has it.
[[nodiscard]] std::string_view to_string(ErrorKind kind) noexcept;

/// Where an error happened. Empty fields are unknown.
struct Provenance {
  WorkerId worker{};       ///< its number
  std::string name{};      ///< what SpawnOptions::name says
  std::string host{};      ///< the name of its machine
  int pid = 0;             ///< of its process
  std::string function{};  ///< as the compiler prints it: "double Summer::sum(...)"
};

/// @cond of cohort itself
/// "worker 3 "name" (node7, pid 42)"; empty where nothing is known of it.
[[nodiscard]] std::string to_string(Provenance const& where);
/// @endcond

/// How a process ended, as far as its supervisor could learn it.
struct ExitReport {
  std::optional<int> exit_code;  ///< set when the process called exit
  std::optional<int> signal;     ///< set when a signal ended it
  bool core_dumped = false;      ///< the signal left a core file
  std::string unknown{};         ///< why neither is known, where the process has ended
  /// Its last lines on stderr, 4096 bytes at most; empty unless they passed through the master
  /// (Redirect::Mode::kForward).
  std::string stderr_tail;

  /// "killed by signal 9 (SIGKILL)", "exited with code 3", "how it ended is unknown: ...", or ""
  /// where there is nothing to say.
  [[nodiscard]] std::string to_string() const;
};

/// Thrown by every call that fails. Copyable; `what()` is one line with kind, place and reason,
/// followed by the last stderr lines where the worker died. What the program does wrong itself is a
/// std::logic_error instead, and what it configures wrong a std::invalid_argument.
class Error : public std::runtime_error {
 public:
  /// For cohort itself. A worker's function throws what it likes.
  Error(ErrorKind kind, std::string reason, Provenance where = {}, std::string exception_type = {},
        std::optional<ExitReport> exit = std::nullopt);

  /// what() without the worker's last lines on stderr: for who has seen those when they came.
  [[nodiscard]] std::string headline() const;
  /// What can be done about it.
  [[nodiscard]] ErrorKind kind() const noexcept { return kind_; }
  /// The reason alone; for `kFailed` it is what() of the exception that the function threw.
  [[nodiscard]] std::string const& reason() const noexcept { return reason_; }
  /// Which worker, and which of its functions.
  [[nodiscard]] Provenance const& where() const noexcept { return where_; }
  /// The type of the exception in the worker, such as "std::invalid_argument": for `kFailed`, and
  /// for `kDisconnected` where the worker died of it.
  [[nodiscard]] std::string const& exception_type() const noexcept { return exception_type_; }
  /// For `kDisconnected`: how the worker's process ended, where that is known.
  [[nodiscard]] std::optional<ExitReport> const& exit() const noexcept { return exit_; }

 private:
  ErrorKind kind_;
  std::string reason_;
  Provenance where_;
  std::string exception_type_;
  std::optional<ExitReport> exit_;
};

/// @cond of cohort itself
/// Throws std::system_error naming the call, as in `throw_errno("socketpair")`.
[[noreturn]] void throw_errno(char const* call, int error);
[[noreturn]] void throw_errno(char const* call);

/// Checks a POSIX call: returns its result, or throws std::system_error that names it.
template <class Integer>
Integer check(Integer result, char const* call) {
  if (result < 0) throw_errno(call);
  return result;
}

/// The what() of a user's exception, which may give a null pointer: then "".
[[nodiscard]] char const* what_of(std::exception const& exception) noexcept;

/// The type of the exception that is being handled, and its what() where it has one.
struct ExceptionText {
  std::string type;
  std::string what;

  /// "std::out_of_range: the text", or what there is of the two.
  [[nodiscard]] std::string to_string() const {
    return type + (type.empty() || what.empty() ? "" : ": ") + what;
  }
};
/// What is told of a function or callback that did so: it is stopped by abi::__forced_unwind, which
/// who catches it must throw on.
inline constexpr char kEndedItsThread[] =
    "it ended the thread that ran it (pthread_exit or pthread_cancel)";
/// Call it inside a catch block, or in a terminate handler. Never throws.
[[nodiscard]] ExceptionText describe_current_exception() noexcept;
/// @endcond

}  // namespace cohort
