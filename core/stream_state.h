// The two ends of a stream that belongs to a call, without the type of its elements: OutStream is
// the writer's end, InStream the reader's. core/stream.h has what users see.
//
// Credits. A writer may send while its credit is above zero; each frame costs its body and header.
// The reader gives back what it has taken, so that neither side ever holds more than the window
// (Settings::stream_window), a batch and one element.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/byte_buffer.h"
#include "core/call_report.h"
#include "core/clock.h"
#include "core/engine.h"
#include "core/error.h"
#include "core/event.h"
#include "core/frame.h"
#include "core/message.h"

namespace cohort {

class Connection;

/// Why a stream ended, as one of its ends sees it.
enum class CloseReason : std::uint8_t {
  kOpen,          ///< it has not ended
  kFinished,      ///< the writer ended it in an orderly way
  kClosedHere,    ///< this side, the reader, wanted no more
  kClosedByPeer,  ///< the reader at the other side wanted no more
  kFailed,        ///< the function threw, the call was cancelled, or the other process is gone
};
/// In words: "finished", "closed by the remote side".
[[nodiscard]] std::string_view to_string(CloseReason reason) noexcept;

/// Which stream of a connection: its call, and whether this side made that call.
struct StreamKey {
  CallId call{};
  bool ours = false;
  auto operator<=>(StreamKey const&) const = default;
};

/// What is to be said where something came and could not be taken.
[[nodiscard]] std::string no_memory_for(char const* what, std::uint64_t bytes);

class OutStream;

/// Thrown by a write whose element exceeds max_message_size. Where the function whose stream it is
/// lets it out, its caller hears the same.
struct ElementTooLarge : Error {
  /// @cond of cohort itself
  ElementTooLarge(std::string reason, Provenance where, OutStream const* writer)
      : Error(ErrorKind::kRefused, std::move(reason), std::move(where)), stream(writer) {}
  OutStream const* stream;  // only to compare
  /// @endcond
};

/// The writer's end, in its connection's table until it was finished. Elements gather in a batch,
/// which goes out when it is full, when the writing pauses, or within a tick of the engine. Any
/// thread.
class OutStream : public Gatherer, public std::enable_shared_from_this<OutStream> {
 public:
  /// `function` is the signature of the called function, at its caller.
  OutStream(Engine& engine, std::weak_ptr<Connection> connection, StreamKey key,
            std::uint64_t window, std::string_view function);

  /// The stream's lock. What was sent under it is destroyed once it was left: destructors of
  /// elements are the user's code.
  class [[nodiscard]] Turn {
   public:
    /// Throws Error (kRefused) in a forked child.
    explicit Turn(OutStream& out) : out_(out) {
      out.birthplace_.require_here();
      lock_ = std::unique_lock(out.mutex_);
    }
    Turn(Turn const&) = delete;
    Turn& operator=(Turn const&) = delete;
    ~Turn() {
      if (!lock_.owns_lock()) return;
      auto const released = std::exchange(out_.released_, {});
      lock_.unlock();
    }

   private:
    friend class OutStream;
    OutStream& out_;
    std::unique_lock<std::mutex> lock_;
  };

  /// The right to append one element of so many bytes to batch(), or to send it `alone`. Waits for
  /// credit, driving the engine. Throws Error: kCancelled where the reader closed the stream, what
  /// ended it otherwise; ElementTooLarge, before it waits.
  void begin_element(Turn& turn, std::size_t bytes, bool alone = false);
  /// The same without waiting: false where there is no room, or nobody reads any more.
  [[nodiscard]] bool try_begin_element(Turn& turn, std::size_t bytes);
  [[nodiscard]] Message& batch() noexcept { return batch_; }
  /// In the turn of begin_element: an element was appended.
  void end_element();
  /// Sends an encoded element by itself, from where it lies: `owner` keeps it alive.
  void send_alone(Message& element, std::shared_ptr<void const> owner);

  /// Sends what has gathered, as far as there is credit. From any thread.
  void flush() noexcept override;
  /// Ends the stream, after what has gathered; idempotent.
  void finish() noexcept;
  /// Ends it with an encoded RemoteFailure that the reader gets; an empty one is an orderly end.
  void fail(Message& failure) noexcept;
  /// An exception destroyed its Writer. Where that is not what the running function throws, and
  /// what fail() will be told, the reader hears of it all the same.
  void abandon() noexcept;
  /// The function that had it has returned, without an exception.
  void function_returned() noexcept;

  [[nodiscard]] std::string_view function() const noexcept { return function_; }

  // Under the I/O lock, from the connection.
  void on_credit(std::uint64_t bytes) noexcept;
  /// Nobody reads any more. `why` is thrown by further writes.
  void close(CloseReason reason, Error why) noexcept;

  [[nodiscard]] CloseReason reason() const;

 private:
  // Under mutex_.
  [[nodiscard]] bool is_full(std::size_t bytes) const noexcept;
  void check_size(std::size_t bytes) const;
  void send_batch() noexcept;
  void send(FrameKind kind, Message& body, std::shared_ptr<void const> owner = {}) noexcept;
  void wake_writers() noexcept;
  void fail_abandoned() noexcept;

  Birthplace const birthplace_;
  Engine& engine_;
  std::weak_ptr<Connection> const connection_;
  StreamKey const key_;
  std::string_view const function_;
  std::int64_t const window_;
  std::size_t const largest_;  // max_message_size

  mutable std::mutex mutex_;
  Message batch_;
  Owners released_;
  bool abandoned_ = false;
  bool returned_ = false;
  std::int64_t credit_;
  bool gathering_ = false;  // engine_ will call flush()
  Burst burst_;
  Clock::time_point last_send_{};
  CloseReason reason_ = CloseReason::kOpen;
  std::unique_ptr<Error> why_;
  std::vector<Event*> waiting_;  // writers without credit
};

/// The reader's end, in its connection's table until it was closed. One thread reads at a time.
class InStream {
 public:
  /// `function` is the signature of the called function, at its caller.
  InStream(Engine& engine, std::weak_ptr<Connection> connection, StreamKey key,
           std::uint64_t window, std::string_view function);

  /// Replaces `batch` by the elements that come next; false where the deadline passed, or the
  /// stream has ended: reason() then says how.
  [[nodiscard]] bool fetch(ByteBuffer& batch, Deadline deadline);
  /// Whether fetch() would return at once.
  [[nodiscard]] bool wait(Deadline deadline) { return wait_for(available_, deadline); }
  /// The same of an event that the stream brings about.
  bool wait_for(Event& event, Deadline deadline = Deadline::never());
  /// No more of it, please. Elements that wait are dropped; `drops_more`: the reader drops some
  /// that it has fetched. Idempotent.
  void close(bool drops_more = false) noexcept;
  /// Calls `consumer` on the engine's callback thread, each time that there is something to fetch,
  /// until it was told of the end; at once where the reader `has_more` that it had fetched. Once;
  /// instead of reading.
  void feed(std::function<void()> consumer, bool has_more = false);

  [[nodiscard]] std::string_view function() const noexcept { return function_; }
  /// Whether somebody reads it here.
  [[nodiscard]] ReaderIs reader() const;
  /// What is thrown where an element cannot be taken.
  [[nodiscard]] Error broken(ErrorKind kind, std::string text) const;

  [[nodiscard]] CloseReason reason() const;
  /// The error that ended it, for kFailed.
  [[nodiscard]] std::optional<Error> error() const;

  // Under the I/O lock, from the connection.

  // What the writer sent. They throw DecodeError where it may not: beyond its window, or after its
  // end.

  void add(std::span<std::byte const> elements);
  void add(ByteBuffer elements);
  void end_by_writer(std::unique_ptr<Error> error);
  /// The end, behind what was added. Null: an orderly one. Only the first end counts.
  void end(std::unique_ptr<Error> error);

 private:
  struct Arrived {
    ByteBuffer elements;
    std::uint64_t cost;
  };
  // Under mutex_.

  void take_allowance(std::uint64_t cost);
  void check_not_ended() const;
  void announce();
  void announce_to_consumer();

  Birthplace const birthplace_;
  Engine& engine_;
  std::weak_ptr<Connection> const connection_;
  StreamKey const key_;
  std::uint64_t const window_;
  std::uint64_t const give_back_at_;

  std::string_view const function_;

  mutable std::mutex mutex_;
  std::deque<Arrived> arrived_;
  std::uint64_t taken_ = 0;  // cost of what was fetched and not given back
  std::int64_t allowance_;   // what the writer may send, which knows of no more
  bool overdrawn_ = false;   // it has sent its last frame, which needs no allowance
  bool writer_ended_ = false;
  CloseReason reason_ = CloseReason::kOpen;
  bool ended_ = false;  // the end lies behind what has arrived
  std::unique_ptr<Error> error_;
  ByteBuffer spare_;
  Event available_;
  bool was_read_ = false;
  std::function<void()> consumer_;
  bool consumer_called_ = false;
};

}  // namespace cohort
