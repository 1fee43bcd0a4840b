#include "core/call_report.h"

#include <utility>

namespace cohort {
namespace {

std::string what_it_waits_for(RunningCall const& call, ReaderIs reader) {
  auto const since = " for " + readable_time(call.waits_ms);
  switch (call.waits) {
    case RunningCall::Waits::kForNothing:
      return {};
    case RunningCall::Waits::kForCalls: {
      if (call.chain.empty()) return ", and waits" + since + " for calls at other workers";
      std::string text = ", and waits" + since + " for ";
      for (std::size_t i = 0; i < call.chain.size(); ++i) {
        text += (i == 0 ? "" : ", which waits for ") + function_at(call.chain[i].place());
      }
      return text;
    }
    case RunningCall::Waits::kForReader:
      if (!call.is_yours) return ", and waits" + since + " until its caller reads its stream";
      return ", and waits" + since + " until this process reads its stream" +
             (reader == ReaderIs::kAbsent ? ", of which nobody has read anything"
              : reader == ReaderIs::kIdle ? ", whose elements lie here unread"
                                          : "");
    case RunningCall::Waits::kForElements:
      return ", and waits" + since + " for what " +
             (call.is_yours ? "this process" : "its caller") + " writes to its stream";
  }
  return {};
}

std::string running_in_words(RunningCall const& call, ReaderIs reader) {
  return "runs for " + readable_time(call.runs_ms) + what_it_waits_for(call, reader);
}

}  // namespace

Provenance WaitLink::place() const {
  return {.worker = WorkerId(worker), .name = name, .host = host, .pid = pid, .function = function};
}

std::string readable_time(std::chrono::milliseconds time) {
  auto const ms = time.count();
  if (ms < 10'000) return std::to_string(ms / 1000) + '.' + std::to_string(ms / 100 % 10) + " s";
  if (ms < 600'000) return std::to_string(ms / 1000) + " s";
  return std::to_string(ms / 60'000) + " min";
}

std::string process_in_words(Provenance const& place) {
  return "pid " + std::to_string(place.pid) + (place.host.empty() ? "" : " on " + place.host);
}

std::string short_signature(std::string signature) {
  constexpr std::size_t kLong = 72;
  if (signature.size() <= kLong) return signature;
  int depth = 0;
  for (std::size_t i = 0; i < signature.size(); ++i) {
    if (signature[i] == '<') ++depth;
    if (signature[i] == '>') --depth;
    bool const follows_a_name = i != 0 && signature[i - 1] != ' ' && signature[i - 1] != ':';
    if (signature[i] == '(' && depth == 0 && follows_a_name) {  // not (anonymous namespace)
      return signature.substr(0, i) + "(...)";
    }
  }
  return signature;
}

std::string function_at(Provenance const& place) {
  auto const worker = to_string(place);
  auto const function = place.function.empty() ? "a call" : short_signature(place.function);
  return worker.empty() ? function : function + " of " + worker;
}

std::string in_words(CallReport const& report, ReaderIs reader) {
  using Stage = CallReport::Stage;
  if (report.stage == Stage::kNotHere) {
    return "has not reached the worker, or its answer is on the way";
  }
  if (report.stage == Stage::kRuns) {
    return report.running.empty() ? "runs" : running_in_words(report.running.front(), reader);
  }
  std::string text = "waits its turn at the worker";
  if (report.ahead != 0) {
    text += ", after " + std::to_string(report.ahead) +
            (report.ahead == 1 ? " other call" : " other calls") + " in the queue";
  }
  for (std::size_t i = 0; i < report.running.size(); ++i) {
    auto const& call = report.running[i];
    text += (i == 0 ? ", behind " : "; and behind ") + short_signature(call.function);
    if (call.is_yours) text += " (a call of this process)";
    if (!call.caller.empty()) text += " (a call of " + call.caller + ')';
    text += ", which " + running_in_words(call, reader);
  }
  return text;
}

}  // namespace cohort
