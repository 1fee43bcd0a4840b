// Lines of the log about strangers, who must not fill it: a few a second for the whole process, and
// one that says how many were left out.
#pragma once

#include <functional>
#include <string>

#include "core/engine.h"
#include "launch/log.h"

namespace cohort {

class Complaints {
 public:
  /// In each second; one more says what was left out.
  static constexpr int kLinesASecond = 5;

  Complaints(Engine& engine, LogQueue& lines) noexcept : engine_(engine), lines_(lines) {}
  /// Says what is left to be said.
  ~Complaints();
  Complaints(Complaints const&) = delete;
  Complaints& operator=(Complaints const&) = delete;

  /// Under the I/O lock. The line is composed on the log's thread, and only where it is told.
  void post(std::function<std::string()> line) noexcept;

 private:
  void tell_left_out();

  Engine& engine_;
  LogQueue& lines_;
  Clock::time_point second_{};
  int told_ = 0;  // in this second
  std::uint64_t left_out_ = 0;
  TimerId timer_{};
};

}  // namespace cohort
