#include "launch/complaints.h"

#include <utility>

namespace cohort {

void Complaints::post(std::function<std::string()> line) noexcept try {
  constexpr std::chrono::seconds kSecond{1};
  auto const now = Clock::now();
  if (now - second_ >= kSecond && left_out_ == 0) {
    second_ = now;
    told_ = 0;
  }
  if (told_ < kLinesASecond) {
    ++told_;
    return lines_.post(LogLevel::kWarning, std::move(line));
  }
  if (left_out_++ == 0) {
    timer_ = engine_.timers().schedule(second_ + kSecond, [this] { tell_left_out(); });
  }
} catch (std::exception const&) {
  // No memory or thread for a line about a stranger.
}

void Complaints::tell_left_out() {
  if (left_out_ == 0) return;
  lines_.post(LogLevel::kWarning, std::to_string(std::exchange(left_out_, 0)) +
                                      " more lines about refused connections were left out");
}

Complaints::~Complaints() {
  try {
    engine_.run_locked([this] {
      engine_.timers().cancel(timer_);
      tell_left_out();
    });
  } catch (std::exception const&) {
  }
}

}  // namespace cohort
