#include "core/call_slot.h"

namespace cohort {
namespace {

/// A thread runs the calls of one dispatcher.
thread_local CallSlot const* t_slot = nullptr;

/// A call ends and another begins in less time than it takes to read: it is no long one.
constexpr int kTries = 100;

}  // namespace

CallSlot::CallSlot(Dispatcher const& dispatcher) noexcept : dispatcher_(dispatcher) {
  t_slot = this;
}

CallSlot::~CallSlot() { t_slot = nullptr; }

CallSlot const* CallSlot::of_this_thread() noexcept { return t_slot; }

std::optional<CallSlot::Content> CallSlot::read() const noexcept {
  for (int i = 0; i < kTries; ++i) {
    auto const before = version_.load(std::memory_order_acquire);
    Content content;
    content.client = client_.load(std::memory_order_acquire);
    content.call = call_.load(std::memory_order_acquire);
    content.entry = entry_.load(std::memory_order_acquire);
    content.since = Clock::time_point(Clock::duration(since_.load(std::memory_order_acquire)));
    if (before % 2 != 0 || version_.load(std::memory_order_relaxed) != before) continue;
    if (content.entry == nullptr) return std::nullopt;
    return content;
  }
  return std::nullopt;
}

}  // namespace cohort
