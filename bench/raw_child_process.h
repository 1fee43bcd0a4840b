// Starts and ends raw_child: posix_spawn and an inherited socket pair, nothing else.
#pragma once

#include <string>

#include <sys/types.h>

namespace bench {

class RawChildProcess {
 public:
  /// Starts it and sends it one byte.
  explicit RawChildProcess(std::string const& program);
  RawChildProcess(RawChildProcess&& other) noexcept;
  RawChildProcess& operator=(RawChildProcess&&) = delete;
  /// Closes its socket and waits until it is gone.
  ~RawChildProcess();

  /// Waits for the byte to come back.
  void await_answer();
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

 private:
  int socket_ = -1;
  pid_t pid_ = -1;
};

}  // namespace bench
