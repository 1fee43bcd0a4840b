#include "core/inquiry.h"

#include <algorithm>

#include "core/archive.h"
#include "core/connection.h"
#include "core/scratch_message.h"

namespace cohort {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

constexpr std::string_view kExplain = "explain";

Future<CallReport> ask_for(std::shared_ptr<Connection> const& connection, CallId call) {
  detail::ScratchMessage scratch;
  encode(scratch.get(), static_cast<std::uint64_t>(call));
  auto* const state = new CallState(connection->engine(), connection, kExplain);
  Future<CallReport> answer(state);
  connection->call(kExplainFunction, scratch.get(), *state);
  connection->flush();
  return answer;
}

/// Of what one running call keeps waiting. `some`: long enough to be no moment of a stream that
/// flows.
Outlook outlook_of(RunningCall const& call, ReaderIs reader, milliseconds some) {
  constexpr milliseconds kMoment{500};
  milliseconds const waits(call.waits_ms);
  switch (call.waits) {
    case RunningCall::Waits::kForNothing:
    case RunningCall::Waits::kForCalls:
      return Outlook::kGood;
    case RunningCall::Waits::kForReader:
      if (call.is_yours && reader == ReaderIs::kAbsent && waits >= std::min(some, kMoment)) {
        return Outlook::kHopeless;
      }
      if (call.is_yours && reader == ReaderIs::kElsewhere) return Outlook::kGood;
      break;
    case RunningCall::Waits::kForElements:
      break;
  }
  return waits >= some ? Outlook::kDoubtful : Outlook::kGood;
}

}  // namespace

Inquiry::Inquiry(Target target)
    : target_(std::move(target)), place_(place_of(target_.connection, target_.function)) {}

void Inquiry::ask() {
  if (!target_.ours || answer_) return;
  auto const connection = target_.connection.lock();
  if (!connection) return;
  asked_at_ = Clock::now();
  receipts_ = connection->receipts();
  answer_.emplace(ask_for(connection, target_.call));
  unsent_ = connection->unsent();
}

bool Inquiry::settled() {
  if (!answer_) return true;
  if (!answer_->ready()) return false;
  report_.reset();
  no_report_.clear();
  try {
    report_ = answer_->get();
    reported_at_ = asked_at_;
  } catch (Error const& error) {
    no_report_ = error.reason();
  }
  answer_.reset();
  return true;
}

void Inquiry::wait_for_answer(Deadline deadline) {
  if (answer_) static_cast<void>(answer_->wait_for(deadline.left()));
}

/// It has not answered. Where a large message is on its way, the question or the answer is behind.
bool Inquiry::peer_is_silent() const {
  auto const connection = target_.connection.lock();
  return connection && connection->receipts() == receipts_ && connection->unsent() >= unsent_;
}

ReaderIs Inquiry::reader() const {
  auto const connection = target_.connection.lock();
  if (!connection || !report_) return ReaderIs::kElsewhere;
  for (auto const& call : report_->running) {
    if (call.waits != RunningCall::Waits::kForReader || !call.is_yours) continue;
    auto const stream = connection->streams().find({call.call, true}).in;
    return stream ? stream->reader() : ReaderIs::kElsewhere;
  }
  return ReaderIs::kElsewhere;
}

Outlook Inquiry::outlook(milliseconds explain_after) const {
  using Stage = CallReport::Stage;
  if (!target_.ours) {
    return target_.what == WaitFor::kRoom ? Outlook::kDoubtful : Outlook::kGood;
  }
  if (answer_) return peer_is_silent() ? Outlook::kDoubtful : Outlook::kGood;
  if (!report_) return Outlook::kGood;
  if (report_->stage == Stage::kNotHere) {
    return target_.what == WaitFor::kRoom ? Outlook::kDoubtful : Outlook::kGood;
  }
  if (report_->running.empty()) return Outlook::kGood;
  auto best = Outlook::kHopeless;
  auto const reader_is = reader();
  for (auto const& call : report_->running) {
    best = std::min(best, outlook_of(call, reader_is, explain_after / 2));
  }
  return best;
}

std::string Inquiry::in_words() const {
  auto const place = function_at(place_);
  if (!target_.ours) {
    auto const who = "its caller (" + process_in_words(place_) + ')';
    return target_.what == WaitFor::kRoom ? who + " to read the stream that it writes"
                                          : "what " + who + " writes to its stream";
  }
  auto const what = target_.what == WaitFor::kAnswer ? std::string()
                    : target_.what == WaitFor::kRoom ? "room in the stream to "
                                                     : "the stream of ";
  return what + place + ": the call " + state_in_words();
}

std::string Inquiry::state_in_words() const {
  if (!target_.ours) return "was made by the other side";
  auto const connection = target_.connection.lock();
  if (!connection) return "has lost its connection";
  if (answer_) {
    auto const unsent = connection->unsent();
    if (!peer_is_silent()) return "is under way: large messages go before";
    auto const since = readable_time(duration_cast<milliseconds>(Clock::now() - asked_at_));
    return (unsent != 0 ? "may not have been sent (" + std::to_string(unsent) +
                              " bytes wait to be) to its worker, which"
                        : std::string("is at a worker that")) +
           " has not answered for " + since +
           ": its process is stopped, hangs or gets no processor, or the network is cut";
  }
  if (!report_) return no_report_.empty() ? "is under way" : "is under way (" + no_report_ + ')';
  if (report_->stage == CallReport::Stage::kNotHere && target_.what != WaitFor::kAnswer) {
    return "has returned, and what it left behind has the other end";
  }
  return cohort::in_words(*report_, reader());
}

}  // namespace cohort
