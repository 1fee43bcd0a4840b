// What a dispatcher says of the calls that it runs and of those that wait their turn.
#include <algorithm>

#include "core/dispatcher.h"
#include "core/wait.h"

namespace cohort {
namespace {

/// Calls that run side by side, of those that are named.
constexpr std::size_t kNamedAtMost = 8;

std::uint64_t ms_since(Clock::time_point then) {
  auto const ms = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - then);
  return static_cast<std::uint64_t>(std::max(ms.count(), std::chrono::milliseconds::rep{0}));
}

}  // namespace

void Dispatcher::forget_taken() noexcept {
  std::lock_guard const lock(mutex_);
  taken_ = nullptr;
}

/// In the batch that was taken. One without an answer has no id, by which it would be found: then
/// those before it are taken for such that wait.
std::size_t Dispatcher::first_that_waits(Batch const& taken) const {
  for (auto const& slot : slots_) {
    auto const running = slot.read();
    if (!running || running->client != taken_from_ || running->call == CallId{}) continue;
    for (std::size_t i = 0; i < taken.frames.size(); ++i) {
      if (taken.frames[i].header.call == running->call) return i + 1;
    }
  }
  return 0;
}

/// Under mutex_: how many calls wait before the one that it is.
template <class IsIt>
std::optional<std::uint64_t> Dispatcher::place_in_queue(IsIt const& is_it) const {
  std::uint64_t before = 0;
  auto const search = [&](Client const& client, Batch const& batch, std::size_t from) {
    for (std::size_t i = from; i < batch.frames.size(); ++i, ++before) {
      if (is_it(client, batch.frames[i].header.call)) return true;
    }
    return false;
  };
  if (taken_ != nullptr && search(*taken_from_, *taken_, first_that_waits(*taken_))) return before;
  for (auto const& work : queue_) {
    if (work.batch && search(*work.client, *work.batch, work.begun)) return before;
  }
  return std::nullopt;
}

RunningCall Dispatcher::describe(CallSlot const& slot, CallSlot::Content const& content) const {
  RunningCall call;
  call.function = readable_signature(content.entry->signature);
  call.runs_ms = ms_since(content.since);
  auto const now = Clock::now();
  engine_.waits().for_each([&](Wait const& wait) {
    if (wait.slot() == &slot) wait.describe(call, now);
  });
  return call;
}

CallReport Dispatcher::report(Client const& client, CallId call,
                              std::function<std::string(Client const*)> const& name_of) const {
  CallReport report;
  std::lock_guard const lock(mutex_);
  report.one_at_a_time = side_by_side_.load() == 1;
  for (auto const& slot : slots_) {
    auto const content = slot.read();
    if (!content) continue;
    bool const is_it = content->client == &client && content->call == call;
    if (!is_it && report.running.size() == kNamedAtMost) continue;
    auto running = describe(slot, *content);
    running.is_yours = content->client == &client;
    if (running.is_yours) {
      running.call = content->call;
    } else {
      running.caller = name_of(content->client);
    }
    if (is_it) {
      report.stage = CallReport::Stage::kRuns;
      report.running.assign(1, std::move(running));
      return report;
    }
    report.running.push_back(std::move(running));
  }
  auto const is_it = [&](Client const& each, CallId id) { return &each == &client && id == call; };
  if (auto const before = place_in_queue(is_it)) {
    report.stage = CallReport::Stage::kQueued;
    report.ahead = *before;
  } else {
    report.running.clear();
  }
  return report;
}

bool Dispatcher::waits_for(CallSlot const& slot, int pid, CallId call) const {
  auto const is_it = [&](Client const& client, CallId id) {
    return id == call && client.connection->peer().pid == pid;
  };
  auto const own = slot.read();
  if (!own) return false;
  if (is_it(*own->client, own->call)) return true;
  std::lock_guard const lock(mutex_);
  auto const is_wanted = [&](Client const& client, CallId id) {
    return is_it(client, id) && !cancelled_.contains({&client, id});
  };
  return side_by_side_.load() == 1 && place_in_queue(is_wanted).has_value();
}

}  // namespace cohort
