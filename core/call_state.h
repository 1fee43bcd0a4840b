// What a call's future and its connection share: whether it is settled, and with what.
// Reference-counted: the future holds one reference, the connection's promise table the other.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "core/byte_buffer.h"
#include "core/clock.h"
#include "core/engine.h"
#include "core/error.h"
#include "core/event.h"
#include "core/ids.h"

namespace cohort {

class Connection;
struct CallState;

/// A reply's bytes: small ones in place, large ones in the memory that they were received into.
class Payload {
 public:
  void copy(std::span<std::byte const> bytes) {
    if (bytes.size() > kInline) return heap_.append(bytes.data(), bytes.size());
    inline_size_ = bytes.size();
    if (!bytes.empty()) std::memcpy(inline_.data(), bytes.data(), bytes.size());
  }
  void take(ByteBuffer buffer) noexcept { heap_ = std::move(buffer); }

  [[nodiscard]] std::span<std::byte const> bytes() const noexcept {
    if (heap_.empty()) return {inline_.data(), inline_size_};
    return {heap_.data(), heap_.size()};
  }

 private:
  static constexpr std::size_t kInline = 64;
  std::size_t inline_size_ = 0;
  std::array<std::byte, kInline> inline_;
  ByteBuffer heap_;
};

/// Tells which of several calls were settled, in that order. Many threads may push.
class CompletionQueue {
 public:
  explicit CompletionQueue(Engine& engine) : engine_(engine) {}

  /// One call more will be pushed or withdrawn.
  void expect();
  void push(std::size_t tag);
  /// Another queue hears of one of the calls instead.
  void withdraw();
  /// Which calls they are, for visit(), until forget() is called, which may come twice.
  void note(CallState& call);
  void forget(CallState& call) noexcept;
  /// The next settled call's tag; nothing when none is left or the deadline passed. One thread at
  /// a time.
  [[nodiscard]] std::optional<std::size_t> pop(Deadline deadline = Deadline::never());
  /// How many calls were expected and neither popped nor withdrawn.
  [[nodiscard]] std::size_t left() const;
  /// Calls it with the noted calls, as long as it returns true. Gives how many there are.
  template <class Visit>
  std::size_t visit(Visit const& visit) const {
    std::lock_guard const lock(mutex_);
    static_cast<void>(
        std::all_of(calls_.begin(), calls_.end(), [&](auto const* call) { return visit(*call); }));
    return calls_.size();
  }

 private:
  Engine& engine_;
  mutable std::mutex mutex_;
  std::vector<CallState*> calls_;
  std::deque<std::size_t> tags_;
  std::size_t left_ = 0;
  Event available_;  // a tag, or none is left
};

struct CallState {
  CallState(Engine& driven, std::weak_ptr<Connection> over, std::string_view what)
      : engine(driven), connection(std::move(over)), function(what) {}

  Engine& engine;
  std::weak_ptr<Connection> connection;
  std::string_view function;  ///< signature_of<...>()
  Clock::time_point const made = coarse_now();
  CallId id{};
  Event done;
  // Written by whoever settles the call, before `done`; read after it.
  Payload payload;
  std::unique_ptr<Error> error;
  // Written by the future's owner, before done.watch().
  std::shared_ptr<CompletionQueue> queue;
  std::size_t tag = 0;
  // The queue's.
  static constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);
  std::size_t place_in_queue = kNowhere;

  /// Makes the future ready. Exactly one thread settles a call: the one that took it out of the
  /// promise table. Uses up the table's reference.
  void settle();
  void settle_with(Error failure);
  /// Whether its future is there, beside the table.
  [[nodiscard]] bool is_held() const noexcept {
    return references_.load(std::memory_order_acquire) > 1;
  }
  void release() noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 private:
  ~CallState() {
    if (queue) queue->forget(*this);
  }

  std::atomic<std::uint32_t> references_{2};
};

}  // namespace cohort
