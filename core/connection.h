// One authenticated connection: frames out, frames in, and the calls that wait for an answer.
// Any thread may call, reply and cancel; input is attended to by whoever drives the engine.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/call_state.h"
#include "core/channel.h"
#include "core/engine.h"
#include "core/error.h"
#include "core/frame.h"
#include "core/frame_reader.h"
#include "core/message.h"
#include "core/out_queue.h"
#include "core/settings.h"
#include "core/source.h"
#include "core/stream_table.h"

namespace cohort {

/// Which streams a call has, as its caller sees them.
struct StreamsWanted {
  bool in = false;   ///< the caller reads what the function writes
  bool out = false;  ///< the caller writes what the function reads
};

/// What the other side says of an exception: the body of kFailure and kDying.
struct RemoteFailure {
  enum class Kind : std::uint8_t { kThrew = 0, kCancelled = 1, kRefused = 2, kEnds = 3 };
  Kind kind = Kind::kThrew;
  std::string exception_type{};
  std::string text{};
  std::string function{};  ///< where the receiver cannot know it

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& kind& exception_type& text& function;
  }
};

/// Hears what a connection does not settle itself. Runs under the I/O lock: quick, no user code.
class ConnectionHandler {
 public:
  /// Why a connection ended.
  enum class End { kGoodbye, kClosed, kBroken, kProtocol, kSilent };

  virtual ~ConnectionHandler() = default;
  /// Calls for this side, in order of arrival. Keeps `batch`, and returns one that it has done
  /// with (or nullptr), whose memory is used again.
  virtual std::shared_ptr<Batch> on_calls(std::shared_ptr<Batch> batch) = 0;
  virtual void on_cancel(CallId call) = 0;
  /// It is to end; `after_calls`: once it has run those that came before.
  virtual void on_shutdown(bool after_calls) = 0;
  virtual void on_dying(RemoteFailure failure) = 0;
  /// kAsleep, kBell and kGoodbye, for the data plane of this connection (core/data_plane.h).
  virtual void on_data_plane(FrameKind, std::uint64_t /*count*/) {}
  /// Once, and last. Pending calls wait until somebody calls Connection::fail_pending.
  virtual void on_end(End end, std::string text) = 0;
};

class Connection : public Source, public Gatherer {
 public:
  /// `handler` must outlive the connection's time in the engine. `already_read` are bytes that
  /// came right behind the handshake. No heartbeat where the channel has no descriptor: the control
  /// connection beside it has one.
  Connection(Engine& engine, std::unique_ptr<Channel> channel, Settings const& settings,
             Provenance peer, ConnectionHandler& handler,
             std::span<std::byte const> already_read = {});
  ~Connection() override;

  /// The peer may be silent until it says something for the first time, which it does as soon as it
  /// can: somebody else has an eye on how long that takes. Before start().
  void allow_late_start() noexcept { late_start_ = true; }
  /// Who this side is, where errors name it: the worker that answers. Before start().
  void set_here(Provenance here) { here_ = std::move(here); }
  /// Attends to input from now on. Any thread, once.
  void start();
  /// The peer broke the rules: it is told how, and the connection ends as `protocol`. Any thread.
  void hang_up(std::string why);
  /// No more of it. Pending calls fail as `reason` says. Any thread; idempotent.
  void close(ErrorKind kind, std::string reason);

  // ---- calling

  /// Sends a call; its state is settled by the reply, by cancel() or by fail_pending(). `owner`
  /// keeps borrowed blocks alive; without it this returns when they were sent (it drives the
  /// engine meanwhile). A message over max_message_size settles it as kRefused; nothing is sent.
  /// `streams` are the call's, still unknown to the connection.
  void call(FunctionId function, Message& arguments, CallState& state,
            std::shared_ptr<void const> owner = {}, StreamsWanted wanted = {},
            CallStreams* streams = nullptr);
  /// Sends a call that nobody answers. Throws Error where it cannot be sent.
  void post(FunctionId function, std::string_view name, Message& arguments,
            std::shared_ptr<void const> owner = {});
  /// Settles the call as cancelled, or as `why` says, and tells the peer. Nothing happens where it
  /// is settled.
  void cancel(CallState const& state);
  void cancel(CallState const& state, Error const& why);
  /// Fails all calls that wait, and every later one, for this reason; each at its own function.
  void fail_pending(Error why);

  // ---- answering

  /// Sends a result. `more_follows`: it may be held back for a moment, to go out with the next.
  /// Returns how many bytes wait to be sent: the peer does not read as fast as this side answers.
  std::size_t reply(CallId call, FunctionId function, Message& result,
                    std::shared_ptr<void const> owner, bool more_follows);
  std::size_t reply_failure(CallId call, FunctionId function, RemoteFailure const& failure);
  /// How many bytes wait to be sent.
  [[nodiscard]] std::size_t unsent() const;

  // ---- streams

  [[nodiscard]] StreamTable& streams() noexcept { return streams_; }
  /// A frame of one of its streams; kItems, kEnd and kStop for the ends in stream_state.h.
  /// What was sent and needs no owner any more goes to `released`, for its destructors are the
  /// user's code, and the caller may hold a lock.
  void send_of_stream(FrameKind kind, StreamKey key, Message& body, Owners& released,
                      std::shared_ptr<void const> owner = {});
  void give_credit(StreamKey key, std::uint64_t bytes);
  /// Ends the streams of a call that this side runs, where they are still open: the function threw,
  /// or will not run.
  void fail_streams(CallId call, RemoteFailure const& failure);

  /// Ends all streams at this side: who waits in one gets an Error of this kind. Any thread.
  void interrupt_streams(ErrorKind kind, std::string reason);

  /// The body of a kFailure, kEnd or kDying; its texts are cut where they exceed max_message_size.
  [[nodiscard]] Message encoded(RemoteFailure failure) const;

  /// Asks the peer to end once it has run all calls that were sent over this connection.
  void send_shutdown_after_calls();
  /// A frame that is no part of a call, sent at once.
  void send_control(FrameKind kind, Message body = {}, std::uint64_t count = 0);

  /// For a terminate handler: as send_control and drain, but gives up at the deadline where another
  /// thread (or the dying one) holds the connection's mutex, and needs nobody to drive. Returns
  /// whether they were handed to the channel.
  bool send_last_words(FrameKind kind, Message& body, Deadline deadline) noexcept;

  /// Sends what is buffered, as far as the channel takes it.
  void flush() noexcept override;
  /// Waits until all that was given to the connection was handed to the channel; in a handler it
  /// does not wait. Returns whether that is so.
  bool drain(Deadline deadline);

  [[nodiscard]] Engine& engine() noexcept { return engine_; }
  /// Also once the engine is gone.
  [[nodiscard]] Birthplace const& birthplace() const noexcept { return birthplace_; }
  [[nodiscard]] Provenance const& peer() const noexcept { return peer_; }
  [[nodiscard]] Provenance const& here() const noexcept { return here_; }
  [[nodiscard]] Settings const& settings() const noexcept { return settings_; }
  [[nodiscard]] std::size_t pending_calls() const;
  /// Whether the peer may have something to do yet for this side: a call that is not settled, or
  /// one that was posted at any time.
  [[nodiscard]] bool has_unfinished_calls() const;
  /// Whether somebody holds the future, or an end of a stream, of a call that is not settled.
  [[nodiscard]] bool is_awaited() const;
  /// A number that has changed where the peer said anything meanwhile.
  [[nodiscard]] std::uint64_t receipts() const noexcept {
    return receipts_.load(std::memory_order_relaxed);
  }
  /// Whether every call fails at once.
  [[nodiscard]] bool lost() const;

  [[nodiscard]] int descriptor() const noexcept override { return channel_->descriptor(); }
  [[nodiscard]] bool is_hot() const noexcept override { return descriptor() >= 0; }
  bool on_readable() noexcept override;
  void on_writable() noexcept override;

 private:
  struct Slot {
    CallState* state = nullptr;
    std::uint32_t generation = 1;
    std::uint32_t next_free = 0;
  };

  // Under mutex_.
  CallId add_pending(CallState& state);
  CallState* take_pending(CallId id) noexcept;
  void send_some(Sent& sent) noexcept;
  void send_soon(bool hold, Sent& sent);
  [[nodiscard]] bool may_gather();
  void send_call(std::unique_lock<std::mutex>& lock, FrameHeader const& header, Message& arguments,
                 std::shared_ptr<void const> owner);
  void take_drain_waiters(std::vector<Event*>& into) noexcept;
  void send_at_once(FrameHeader const& header, Message body);  // takes it

  // Under the I/O lock.
  void attend_to_frames() noexcept;
  void handle_frames();
  void open_streams(FrameHeader const& call);
  void handle_of_stream(Frame const& frame);
  void cancel_streams(CallId call);
  [[nodiscard]] CallStreams make_streams(StreamKey key, StreamsWanted wanted,
                                         std::string_view function);
  [[nodiscard]] CallStreams open_streams(StreamKey key, StreamsWanted wanted,
                                         std::string_view function);
  [[nodiscard]] Error error_of(RemoteFailure failure, std::string_view function) const;
  void end_streams(StreamTable::Whose whose, Error const& why);
  void refuse_forked_child(Message& arguments, CallState& state, CallStreams* streams);
  void refuse_call(CallState& state, Error const& why, StreamsWanted wanted, CallStreams* streams);
  void settle_answered();
  void settle_answered(CallState& state, Frame const& frame);
  void hand_over_calls();
  void handle_control(FrameHeader const& header);
  void end(ConnectionHandler::End end, std::string text);
  void heartbeat();
  [[nodiscard]] bool is_too_long(int intervals) const;
  [[nodiscard]] bool reads_nothing();
  void end_as_silent(char const* what);
  void schedule_heartbeat();

  [[nodiscard]] std::shared_ptr<Connection> shared() {
    return std::static_pointer_cast<Connection>(shared_from_this());
  }
  void check_borrowing(Message const& arguments, std::shared_ptr<void const> const& owner) const;
  void tell_sent(Sent& sent) noexcept;
  [[nodiscard]] Error at_function(Error const& why, std::string_view function) const;

  Birthplace const birthplace_;
  Engine& engine_;
  std::unique_ptr<Channel> const channel_;
  Settings const settings_;
  Provenance const peer_;
  Provenance here_{};
  ConnectionHandler& handler_;

  StreamTable streams_;

  mutable std::mutex mutex_;
  OutQueue out_;
  bool held_back_ = false;       // engine_ will flush it
  bool waits_for_room_ = false;  // engine_ will tell when the channel takes bytes again
  bool broken_out_ = false;      // nothing can be sent any more
  bool peer_takes_ = true;       // some of what was to be sent, since the last heartbeat
  Clock::time_point last_flush_{};
  Burst burst_;
  std::uint32_t outstanding_ = 0;
  bool has_posted_ = false;
  std::vector<Slot> slots_;
  std::uint32_t first_free_ = kNoSlot;
  std::unique_ptr<Error> lost_;        // set: calls fail at once
  std::vector<Event*> drain_waiters_;  // set once nothing waits to be sent

  // Under the I/O lock.
  FrameReader reader_;
  std::shared_ptr<Batch> batch_ = std::make_shared<Batch>();
  std::vector<std::pair<CallState*, Frame>> answered_;  // scratch of handle_frames
  std::vector<FrameHeader> controls_;                   // likewise
  bool ended_ = false;
  bool said_goodbye_ = false;
  std::atomic<std::uint64_t> receipts_{0};  // read by others, too
  std::uint64_t receipts_seen_ = 0;
  int silent_intervals_ = 0;
  int unread_intervals_ = 0;
  bool late_start_ = false;
  TimerId heartbeat_timer_{};

  static constexpr std::uint32_t kNoSlot = 0xffff'ffff;
};

/// The peer of a connection, where that is still there, at one of its functions.
[[nodiscard]] Provenance place_of(std::weak_ptr<Connection> const& connection,
                                  std::string_view function);
/// What is to be said of a `what` (a message, an element) of so many bytes; empty where it may go.
[[nodiscard]] std::string too_large(char const* what, std::size_t bytes, std::uint64_t most);

}  // namespace cohort
