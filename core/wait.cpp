#include "core/wait.h"

#include <algorithm>
#include <exception>
#include <mutex>
#include <utility>

#include <unistd.h>

#include "core/connection.h"
#include "core/dispatcher.h"
#include "core/function.h"

namespace cohort {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

/// The worker is asked when a wait has lasted so long (explain_after, where that is less), and
/// again after the same time, then after twice, and so on.
constexpr milliseconds kFirstQuestion{1000};
constexpr milliseconds kLongestInterval{16'000};
/// An answer is looked for so often, and waited for so long.
constexpr milliseconds kLooksForAnswer{20};
constexpr milliseconds kAnswerAtMost{1000};
/// Calls of one wait that are asked about.
constexpr std::size_t kCallsAtMost = 4;
/// A chain is followed over so many workers.
constexpr std::size_t kLongestChain = 16;
constexpr auto kNowhere = static_cast<std::size_t>(-1);

std::uint64_t ms_between(Clock::time_point from, Clock::time_point to) {
  return static_cast<std::uint64_t>(
      std::max(milliseconds(0), duration_cast<milliseconds>(to - from)).count());
}

/// Of a thread whose call still runs.
std::string own_function(CallSlot const& slot) {
  auto const running = slot.read();
  return running ? short_signature(readable_signature(running->entry->signature)) : "a function";
}

std::string circle_in_words(std::string const& first, std::vector<WaitLink> const& circle) {
  std::string text = first + " waits for ";
  for (std::size_t i = 0; i < circle.size(); ++i) {
    text += (i == 0 ? "" : ", which waits for ") + function_at(circle[i].place());
  }
  return text + ", which waits until the first has returned";
}

}  // namespace

struct Wait::Details {
  std::vector<Inquiry> calls;
  std::size_t count = 0;  // of calls, with those that are not asked about
  milliseconds explain_after{0};
  milliseconds interval{kFirstQuestion};
  Clock::time_point give_up_asking{};
  bool asking = false;
  bool has_warned = false;
  bool has_told = false;
  bool is_circle = false;
  std::vector<WaitLink> rest;  // of the chain: guarded by the list's mutex
  Clock::time_point rest_as_of{};
  std::vector<CallId> sighted;  // the circle that was seen
  Clock::time_point sighted_at{};
};

Wait::Wait(Engine& engine, Deadline deadline) noexcept
    : engine_(engine), has_deadline_(!deadline.is_never()) {}

Wait::~Wait() {
  if (details_) engine_.waits().remove(*this);
}

void Wait::look() noexcept try {
  if (!details_) return begin();
  if (!details_->asking) return ask();
  bool settled = true;
  for (auto& call : details_->calls) settled = call.settled() && settled;
  if (!settled && Clock::now() < details_->give_up_asking) {
    return look_again(Clock::now() + kLooksForAnswer);
  }
  details_->asking = false;
  think();
} catch (std::exception const&) {
  // No memory for it, or no thread for the line: the wait goes on.
}

void Wait::begin() {
  auto details = std::make_unique<Details>();
  auto targets = this->targets();
  details->count = targets.count;
  details->explain_after = Settings().explain_after;
  for (auto& target : targets.calls) {
    if (auto const connection = target.connection.lock()) {
      details->explain_after = connection->settings().explain_after;
    }
    details->calls.emplace_back(std::move(target));
  }
  if (details->calls.empty()) return;
  if (details->explain_after != milliseconds(0)) {
    details->interval = std::min(kFirstQuestion, details->explain_after);
  }
  slot_ = CallSlot::of_this_thread();
  if (slot_ != nullptr && !slot_->read()) slot_ = nullptr;
  details_ = std::move(details);
  engine_.waits().add(*this);
  look_again(begun() + details_->interval);
  auto const chain = this->chain(Clock::now());
  if (circle_in(chain) == 0) think();  // its own worker, which need not be asked
}

void Wait::ask() {
  for (auto& call : details_->calls) call.ask();
  details_->asking = true;
  auto const now = Clock::now();
  details_->give_up_asking = now + kAnswerAtMost;
  look_again(now + kLooksForAnswer);
}

void Wait::think() {
  auto const now = Clock::now();
  auto& details = *details_;
  if (details.calls.size() == 1 && details.calls.front().report()) {
    auto const& call = details.calls.front();
    bool const is_clear =
        call.report()->running.size() == 1 &&
        (call.report()->one_at_a_time || call.report()->stage == CallReport::Stage::kRuns);
    std::lock_guard const lock(engine_.waits().mutex());
    details.rest = is_clear ? call.report()->running.front().chain : std::vector<WaitLink>();
    details.rest_as_of = call.reported_at();
  }
  auto chain = this->chain(now);
  auto const end = circle_in(chain);
  details.is_circle = end != kNowhere;
  if (details.is_circle) {
    chain.resize(end + 1);
    if (is_certain(chain, now) && is_youngest(chain, now) &&
        fail({ErrorKind::kRefused,
              "it would wait for ever: " + circle_in_words(own_function(*slot_), chain) +
                  ". A worker whose functions are called back while they wait runs several calls "
                  "at a time: using Execution = cohort::Concurrent<2>"})) {
      return;
    }
  }
  tell(now);
  auto next = now + details.interval;
  if (!details.has_told && !details.has_warned && details.explain_after > milliseconds(0)) {
    next = std::min(next, std::max(now, begun() + details.explain_after));
  }
  details.interval = std::min(2 * details.interval, kLongestInterval);
  look_again(next);
}

/// Under the list's mutex, or on the waiting thread.
std::vector<WaitLink> Wait::chain(Clock::time_point now) const {
  std::vector<WaitLink> links;
  if (details_->calls.size() != 1 || details_->count != 1) return links;
  auto const& call = details_->calls.front();
  auto const& place = call.place();
  if (!call.target().ours) return links;
  links.push_back({.worker = place.worker.path(),
                   .name = place.name,
                   .host = place.host,
                   .pid = place.pid,
                   .function = place.function,
                   .call = call.target().call,
                   .waits_ms = ms_between(begun(), now),
                   .may_end_itself = has_deadline_ || call.target().what != WaitFor::kAnswer});
  auto const age = ms_between(details_->rest_as_of, now);
  for (auto const& link : details_->rest) {
    if (links.size() == kLongestChain) break;
    links.push_back(link);
    links.back().age_ms += age;
  }
  return links;
}

void Wait::describe(RunningCall& call, Clock::time_point now) const {
  auto const& target = details_->calls.front().target();
  call.waits = target.what == WaitFor::kRoom && !target.ours ? RunningCall::Waits::kForReader
               : target.what == WaitFor::kElements && !target.ours
                   ? RunningCall::Waits::kForElements
                   : RunningCall::Waits::kForCalls;
  call.waits_ms = ms_between(begun(), now);
  call.chain = chain(now);
}

/// Where the chain comes back to the function that waits here.
std::size_t Wait::circle_in(std::vector<WaitLink> const& chain) const {
  if (slot_ == nullptr) return kNowhere;
  auto const& dispatcher = slot_->dispatcher();
  int const here = static_cast<int>(::getpid());
  int caller = here;
  for (std::size_t i = 0; i < chain.size(); caller = chain[i++].pid) {
    if (chain[i].pid == here && chain[i].worker == dispatcher.id().path() &&
        dispatcher.waits_for(*slot_, caller, chain[i].call)) {
      return i;
    }
  }
  return kNowhere;
}

/// Each link was seen at another time. The wait that begins the circle still waits, and its call is
/// in the queue here: so one link between them, seen while both were so, is there still. Several
/// were there at the same time only if each was seen both before and after some moment.
bool Wait::is_certain(std::vector<WaitLink> const& circle, Clock::time_point now) {
  std::vector<CallId> calls;
  std::uint64_t oldest = 0;
  for (auto const& link : circle) {
    if (link.may_end_itself) return false;
    calls.push_back(link.call);
    oldest = std::max(oldest, link.age_ms);
  }
  if (circle.size() <= 2) return milliseconds(oldest) <= kAnswerAtMost;
  auto& details = *details_;
  if (details.sighted != calls) {
    details.sighted = std::move(calls);
    details.sighted_at = now;
    return false;
  }
  return milliseconds(oldest) < now - details.sighted_at;
}

/// This wait is the one of the circle that is to fail. Two that began at the same time both are.
bool Wait::is_youngest(std::vector<WaitLink> const& circle, Clock::time_point now) const {
  constexpr std::uint64_t kRounding = 2;
  auto const age = ms_between(begun(), now);
  return std::all_of(circle.begin() + 1, circle.end(), [&](auto const& link) {
    return age <= link.waits_ms + link.age_ms + kRounding;
  });
}

void Wait::tell(Clock::time_point now) {
  auto& details = *details_;
  if (details.explain_after == milliseconds(0) || details.has_warned) return;
  bool const is_long = now - begun() >= details.explain_after;
  auto outlook = Outlook::kHopeless;
  for (auto const& call : details.calls) {
    outlook = std::min(outlook, call.outlook(details.explain_after));
  }
  if (details.calls.size() < details.count || has_deadline_ || details.is_circle) {
    outlook = std::clamp(outlook, details.is_circle ? Outlook::kDoubtful : Outlook::kGood,
                         Outlook::kDoubtful);
  }
  bool const warns = outlook == Outlook::kHopeless || (outlook == Outlook::kDoubtful && is_long);
  if (!warns && (!is_long || details.has_told)) return;
  details.has_told = true;
  details.has_warned = warns;
  engine_.report_long_wait(warns, in_words(now));
}

std::string Wait::in_words(Clock::time_point now) const {
  auto const who = slot_ != nullptr ? own_function(*slot_) : "a thread of this process";
  auto text = who + " waits for " + readable_time(ms_between(begun(), now));
  if (details_->is_circle) {
    auto chain = this->chain(now);
    chain.resize(circle_in(chain) == kNowhere ? chain.size() : circle_in(chain) + 1);
    return text + " in a circle: " + circle_in_words(who, chain);
  }
  text += " for ";
  if (details_->count > 1) text += "one of " + std::to_string(details_->count) + " calls: ";
  for (std::size_t i = 0; i < details_->calls.size(); ++i) {
    text += (i == 0 ? "" : "; ") + details_->calls[i].in_words();
  }
  auto const left = details_->count - details_->calls.size();
  if (left != 0) text += "; and so on";
  return text;
}

// ---- what is waited for ------------------------------------------------------------------------

namespace {

Inquiry::Target target_of(CallState const& call) {
  return {.what = WaitFor::kAnswer,
          .connection = call.connection,
          .call = call.id,
          .ours = true,
          .function = call.function,
          .made = call.made};
}

}  // namespace

Wait::Targets AnswerWait::targets() const {
  if (call_.connection.expired()) return {};  // a constructor: spawn_timeout watches
  return {.calls = {target_of(call_)}, .count = 1};
}

bool AnswerWait::fail(Error why) {
  auto const connection = call_.connection.lock();
  if (connection) connection->cancel(call_, std::move(why));
  return connection != nullptr;
}

Wait::Targets AnyAnswerWait::targets() const {
  Targets targets;
  targets.count = queue_.visit([&](CallState const& call) {
    if (call.connection.expired()) return false;
    targets.calls.push_back(target_of(call));
    return targets.calls.size() < kCallsAtMost;
  });
  return targets;
}

Wait::Targets StreamWait::targets() const {
  return {.calls = {{.what = what_,
                     .connection = connection_,
                     .call = key_.call,
                     .ours = key_.ours,
                     .function = function_}},
          .count = 1};
}

std::string explain(CallState const& call) {
  auto const place = function_at(place_of(call.connection, call.function));
  auto const called =
      place + ", called " + readable_time(ms_between(call.made, Clock::now())) + " ago, ";
  if (call.done.ready()) {
    return called + (call.error ? "has failed: " + call.error->headline() : "was answered");
  }
  Inquiry inquiry(target_of(call));
  try {
    inquiry.ask();
    inquiry.wait_for_answer(Deadline::after(kAnswerAtMost));
  } catch (Error const& error) {  // a forked child
    return called + "is not this process's: " + error.reason();
  }
  static_cast<void>(inquiry.settled());
  if (call.done.ready()) return explain(call);
  return called + inquiry.state_in_words();
}

}  // namespace cohort
