// What a worker says of a call that somebody waits for: where it stands, and what holds it up. It
// travels as the result of kExplainFunction.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/ids.h"

namespace cohort {

/// Cohort's own function that every worker answers at once, also while a function runs: takes the
/// id of a call of the same connection, and gives a CallReport.
inline constexpr FunctionId kExplainFunction{kFirstBuiltinFunction + 2};

/// One wait: somebody needs an answer, or an element, of a call at a worker.
struct WaitLink {
  std::vector<std::uint32_t> worker{};  ///< where the call is, with the next three
  std::string name{};
  std::string host{};
  std::int32_t pid = 0;
  std::string function{};
  CallId call{};                ///< of the connection between who waits and the worker
  std::uint64_t waits_ms = 0;   ///< for so long
  std::uint64_t age_ms = 0;     ///< that was seen so long ago, at the most
  bool may_end_itself = false;  ///< it has a deadline, or another thread may end it

  [[nodiscard]] Provenance place() const;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& worker& name& host& pid& function& call& waits_ms& age_ms& may_end_itself;
  }
};

/// A call that runs, and what its function's thread waits for.
struct RunningCall {
  enum class Waits : std::uint8_t {
    kForNothing,   ///< that is known: it computes, or waits for something of its own
    kForCalls,     ///< at other workers: `chain` says which, where it is one
    kForReader,    ///< a window ahead of whoever made the call
    kForElements,  ///< of the stream that whoever made the call writes
  };
  std::string function{};
  std::uint64_t runs_ms = 0;
  std::string caller{};   ///< in words; empty where it is unknown, or who asks
  bool is_yours = false;  ///< who asks made it, over the same connection
  CallId call{};          ///< its id there
  Waits waits = Waits::kForNothing;
  std::uint64_t waits_ms = 0;
  std::vector<WaitLink> chain{};  ///< what it waits for, what that waits for, ...

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& function& runs_ms& caller& is_yours& call& waits& waits_ms& chain;
  }
};

struct CallReport {
  enum class Stage : std::uint8_t {
    kNotHere,  ///< it has not arrived, or was answered
    kQueued,
    kRuns,
  };
  Stage stage = Stage::kNotHere;
  std::uint64_t ahead = 0;             ///< so many calls wait before it
  bool one_at_a_time = true;           ///< calls of this worker
  std::vector<RunningCall> running{};  ///< where it runs: itself; else what it waits behind

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& stage& ahead& one_at_a_time& running;
  }
};

/// "0.3 s", "12 s", "3 min".
[[nodiscard]] std::string readable_time(std::chrono::milliseconds time);
[[nodiscard]] inline std::string readable_time(std::uint64_t ms) {
  return readable_time(std::chrono::milliseconds(ms));
}
/// "pid 42 on node7", of a process whose worker is not known.
[[nodiscard]] std::string process_in_words(Provenance const& place);
/// A readable signature, without its parameters where it is long.
[[nodiscard]] std::string short_signature(std::string signature);
/// "int W::f(int) of worker 2 (node7, pid 42)"
[[nodiscard]] std::string function_at(Provenance const& place);

/// What is known of the reader of a stream that waits for it, in the process that asks.
enum class ReaderIs : std::uint8_t {
  kElsewhere,  ///< in another process, or nothing of it waits to be read
  kAbsent,     ///< here, and nobody has read of it yet
  kIdle,       ///< here, and what arrived waits to be read
};
/// The report in words, as what follows "the call ...".
[[nodiscard]] std::string in_words(CallReport const& report, ReaderIs reader);

}  // namespace cohort
