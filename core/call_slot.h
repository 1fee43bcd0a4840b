// Which call a thread of a worker runs just now. Its thread writes it with each call, so that costs
// a few stores; anybody may read it.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/clock.h"
#include "core/ids.h"

namespace cohort {

class Client;
class Dispatcher;
struct FunctionEntry;

class CallSlot {
 public:
  /// A call that runs. The client may be gone: it is only to be compared.
  struct Content {
    Client const* client = nullptr;
    CallId call{};  ///< 0 of a call without an answer
    FunctionEntry const* entry = nullptr;
    Clock::time_point since{};
  };

  /// Of the thread that makes it.
  explicit CallSlot(Dispatcher const& dispatcher) noexcept;
  CallSlot(CallSlot const&) = delete;
  CallSlot& operator=(CallSlot const&) = delete;
  ~CallSlot();

  /// The slot of this thread, where it runs calls.
  [[nodiscard]] static CallSlot const* of_this_thread() noexcept;

  [[nodiscard]] Dispatcher const& dispatcher() const noexcept { return dispatcher_; }
  /// Nothing where no call runs. Any thread.
  [[nodiscard]] std::optional<Content> read() const noexcept;

  /// The time of one call.
  class Run {
   public:
    Run(CallSlot* slot, Client const& client, CallId call, FunctionEntry const& entry) noexcept
        : slot_(slot) {
      if (slot_ != nullptr) slot_->write({&client, call, &entry, coarse_now()});
    }
    Run(Run const&) = delete;
    Run& operator=(Run const&) = delete;
    ~Run() {
      if (slot_ != nullptr) slot_->write({});
    }

   private:
    CallSlot* const slot_;
  };

 private:
  /// A reader that sees any of the new values sees the odd number too, and tries again.
  void write(Content const& content) noexcept {
    auto const version = version_.load(std::memory_order_relaxed);
    version_.store(version + 1, std::memory_order_relaxed);
    client_.store(content.client, std::memory_order_release);
    call_.store(content.call, std::memory_order_release);
    entry_.store(content.entry, std::memory_order_release);
    since_.store(content.since.time_since_epoch().count(), std::memory_order_release);
    version_.store(version + 2, std::memory_order_release);
  }

  Dispatcher const& dispatcher_;
  std::atomic<std::uint64_t> version_{0};
  std::atomic<Client const*> client_{nullptr};
  std::atomic<CallId> call_{};
  std::atomic<FunctionEntry const*> entry_{nullptr};
  std::atomic<Clock::rep> since_{0};
};

}  // namespace cohort
