// What is asked about one call that somebody waits for, and what is to be thought of the answer.
// Belongs to one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/call_report.h"
#include "core/clock.h"
#include "core/future.h"

namespace cohort {

class Connection;

/// What somebody waits for at a call.
enum class WaitFor : std::uint8_t {
  kAnswer,
  kRoom,      ///< for its stream, which is a window ahead of its reader
  kElements,  ///< of its stream
};

/// Whether a wait will end by itself, as far as can be seen.
enum class Outlook : std::uint8_t {
  kGood,      ///< something runs that need only go on
  kDoubtful,  ///< it will, if somebody does what he has not done for long
  kHopeless,  ///< nobody is there who would
};

class Inquiry {
 public:
  struct Target {
    WaitFor what{};
    std::weak_ptr<Connection> connection{};
    CallId call{};
    bool ours = false;  ///< this side made the call
    std::string_view function{};
    Clock::time_point made{};  ///< when it was called, where that is known
  };

  explicit Inquiry(Target target);

  /// Asks the worker, unless it has yet to answer the last question. One that calls over its own
  /// connection cannot be asked.
  void ask();
  /// Whether no answer is to be waited for. Takes it, where there is one.
  [[nodiscard]] bool settled();
  /// Waits for it.
  void wait_for_answer(Deadline deadline);
  [[nodiscard]] bool answers() const noexcept { return report_.has_value(); }

  [[nodiscard]] Target const& target() const noexcept { return target_; }
  /// The worker, or whoever made the call where that is not this side; at the function.
  [[nodiscard]] Provenance const& place() const noexcept { return place_; }
  [[nodiscard]] std::optional<CallReport> const& report() const noexcept { return report_; }
  /// When what the report says was asked for.
  [[nodiscard]] Clock::time_point reported_at() const noexcept { return reported_at_; }

  /// What is waited for, by a wait that has lasted so long.
  [[nodiscard]] Outlook outlook(std::chrono::milliseconds explain_after) const;
  /// As of "it waits for ...".
  [[nodiscard]] std::string in_words() const;
  /// What is known of the call, as of "the call ...".
  [[nodiscard]] std::string state_in_words() const;

 private:
  [[nodiscard]] ReaderIs reader() const;
  [[nodiscard]] bool peer_is_silent() const;

  Target const target_;
  Provenance const place_;
  std::optional<Future<CallReport>> answer_;
  Clock::time_point asked_at_{};
  std::uint64_t receipts_ = 0;  // then
  std::size_t unsent_ = 0;      // likewise
  std::optional<CallReport> report_;
  Clock::time_point reported_at_{};
  std::string no_report_;  // why there is none
};

}  // namespace cohort
