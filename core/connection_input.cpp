// A connection's input: what arrives, how the connection ends, and the heartbeat that notices
// silence. All of it under the I/O lock.
#include <exception>
#include <utility>

#include "core/archive.h"
#include "core/connection.h"
#include "core/function.h"

namespace cohort {
namespace {

constexpr char kNoMemory[] = "no memory for a message of the other side";

}  // namespace

bool Connection::on_readable() noexcept {
  using Status = IoResult::Status;
  if (ended_) return false;
  IoResult result;
  try {
    result = reader_.receive(*channel_);
  } catch (std::bad_alloc const&) {
    end(ConnectionHandler::End::kProtocol, kNoMemory);
    return true;
  }
  switch (result.status) {
    case Status::kWouldBlock:
      return false;
    case Status::kMoved:
      receipts_.store(receipts() + 1, std::memory_order_relaxed);
      attend_to_frames();
      break;
    case Status::kClosed:
    case Status::kBroken:
      if (said_goodbye_) {
        end(ConnectionHandler::End::kGoodbye, "the worker ended in an orderly way");
      } else if (result.status == Status::kClosed) {
        end(ConnectionHandler::End::kClosed, reader_.is_within_a_frame()
                                                 ? kClosedWithinAFrame
                                                 : "the connection was closed by the other side");
      } else {
        end(ConnectionHandler::End::kBroken, channel_->failure());
      }
  }
  return true;
}

/// What came before a breach of the format counts.
void Connection::attend_to_frames() noexcept {
  try {
    handle_frames();
    if (reader_.lacks_memory()) {  // not the peer's fault, who is to know
      send_control(FrameKind::kDying, encoded({.text = reader_.defect()}));
    }
    if (!reader_.defect().empty()) end(ConnectionHandler::End::kProtocol, reader_.defect());
  } catch (std::bad_alloc const&) {
    end(ConnectionHandler::End::kProtocol, kNoMemory);
  } catch (std::exception const& error) {
    end(ConnectionHandler::End::kProtocol, error.what());
  }
}

/// Answers first, since their bytes lie in memory that goes away with the calls; controls last,
/// so that a cancel never overtakes its call.
void Connection::handle_frames() {
  auto const frames = reader_.frames();
  if (frames.empty()) return;
  bool calls = false;
  controls_.clear();
  {
    std::lock_guard const lock(mutex_);
    for (auto const& frame : frames) {
      auto const kind = frame.header.kind;
      if (kind == FrameKind::kReply || kind == FrameKind::kFailure) {
        if (auto* state = take_pending(frame.header.call)) answered_.emplace_back(state, frame);
      }
    }
  }
  settle_answered();
  for (auto const& frame : frames) {
    switch (frame.header.kind) {
      case FrameKind::kReply:
      case FrameKind::kFailure:
        break;
      case FrameKind::kCall:
        calls = true;
        open_streams(frame.header);
        break;
      case FrameKind::kItems:
      case FrameKind::kEnd:
      case FrameKind::kStop:
      case FrameKind::kCredit:
        handle_of_stream(frame);
        break;
      case FrameKind::kDying:
        handler_.on_dying(decode<RemoteFailure>(frame.bytes()));
        break;
      default:
        controls_.push_back(frame.header);
    }
  }
  if (calls) hand_over_calls();
  for (auto const& header : controls_) handle_control(header);
}

void Connection::settle_answered() {
  for (auto const& [state, frame] : answered_) settle_answered(*state, frame);
  answered_.clear();
}

void Connection::settle_answered(CallState& state, Frame const& frame) {
  try {
    if (frame.header.kind == FrameKind::kFailure) {
      return state.settle_with(error_of(decode<RemoteFailure>(frame.bytes()), state.function));
    }
    if (reader_.is_large()) {
      state.payload.take(reader_.take_memory({}));
    } else {
      state.payload.copy(frame.bytes());
    }
    state.settle();
  } catch (std::exception const& error) {
    state.settle_with(at_function({ErrorKind::kProtocol, error.what()}, state.function));
  }
}

Error Connection::error_of(RemoteFailure failure, std::string_view function) const {
  auto const kind = failure.kind == RemoteFailure::Kind::kThrew       ? ErrorKind::kFailed
                    : failure.kind == RemoteFailure::Kind::kCancelled ? ErrorKind::kCancelled
                    : failure.kind == RemoteFailure::Kind::kEnds      ? ErrorKind::kDisconnected
                                                                      : ErrorKind::kRefused;
  auto where = peer_;
  where.function = readable_signature(function);
  return Error(kind, std::move(failure.text), std::move(where), std::move(failure.exception_type));
}

void Connection::hand_over_calls() {
  batch_->frames.clear();
  for (auto const& frame : reader_.frames()) {
    if (frame.header.kind == FrameKind::kCall) batch_->frames.push_back(frame);
  }
  batch_->memory = reader_.take_memory(std::move(batch_->memory));
  batch_ = handler_.on_calls(std::move(batch_));
  if (!batch_) batch_ = std::make_shared<Batch>();
}

void Connection::handle_control(FrameHeader const& header) {
  switch (header.kind) {
    case FrameKind::kCancel:
      cancel_streams(header.call);
      return handler_.on_cancel(header.call);
    case FrameKind::kShutdown:
      return handler_.on_shutdown((header.flags & frame_flags::kAfterCalls) != 0);
    case FrameKind::kGoodbye:
      said_goodbye_ = true;
      return handler_.on_data_plane(header.kind, static_cast<std::uint64_t>(header.call));
    case FrameKind::kAsleep:
    case FrameKind::kBell:
      return handler_.on_data_plane(header.kind, static_cast<std::uint64_t>(header.call));
    default:
      return;  // a heartbeat: that it came is all it says
  }
}

void Connection::end(ConnectionHandler::End end, std::string text) {
  if (std::exchange(ended_, true)) return;
  Sent sent;
  {
    std::lock_guard const lock(mutex_);
    broken_out_ = true;
    out_.clear(sent);
    if (std::exchange(waits_for_room_, false)) engine_.want_writable(*this, false);
    take_drain_waiters(sent.events);
  }
  tell_sent(sent);
  engine_.timers().cancel(heartbeat_timer_);
  engine_.detach(*this);
  channel_->shut_down();
  // Functions that run here need not wait until somebody knows the cause.
  end_streams(StreamTable::Whose::kTheirs, {ErrorKind::kDisconnected, text});
  handler_.on_end(end, std::move(text));
}

void Connection::hang_up(std::string why) {
  engine_.run_locked([&] {
    if (ended_) return;
    send_control(FrameKind::kDying, encoded({.text = why}));
    end(ConnectionHandler::End::kProtocol, std::move(why));
  });
}

void Connection::schedule_heartbeat() {
  if (ended_ || descriptor() < 0) return;
  auto const self = std::weak_ptr<Source>(weak_from_this());
  heartbeat_timer_ = engine_.timers().schedule(Clock::now() + settings_.heartbeat_interval, [self] {
    if (auto const source = self.lock()) static_cast<Connection&>(*source).heartbeat();
  });
}

/// Silence is counted in intervals of this side's own timer, not by the clock, so that a process
/// that was itself stopped or suspended does not find everybody else dead when it wakes. A peer
/// that takes nothing of what waits for it is no better than a silent one.
void Connection::heartbeat() {
  if (ended_) return;
  auto const receipts = this->receipts();
  bool const silent = receipts == receipts_seen_ && (receipts != 0 || !late_start_);
  receipts_seen_ = receipts;
  silent_intervals_ = silent ? silent_intervals_ + 1 : 0;
  unread_intervals_ = reads_nothing() ? unread_intervals_ + 1 : 0;
  if (is_too_long(silent_intervals_)) return end_as_silent("no sign of life");
  if (is_too_long(unread_intervals_)) return end_as_silent("it has read nothing");
  send_control(FrameKind::kHeartbeat);
  schedule_heartbeat();
}

void Connection::end_as_silent(char const* what) {
  end(ConnectionHandler::End::kSilent,
      what + (" for " + std::to_string(settings_.heartbeat_timeout.count())) +
          " ms (heartbeat_timeout): the process hangs or the network is cut");
}

bool Connection::is_too_long(int intervals) const {
  return intervals * settings_.heartbeat_interval >= settings_.heartbeat_timeout;
}

/// Since the last time that this was asked. The kernel tells late that there is room: so it is
/// tried.
bool Connection::reads_nothing() {
  Sent sent;
  bool nothing = false;
  {
    std::lock_guard const lock(mutex_);
    if (std::exchange(waits_for_room_, false)) engine_.want_writable(*this, false);
    send_some(sent);
    nothing = !std::exchange(peer_takes_, false) && waits_for_room_;
  }
  tell_sent(sent);
  return nothing;
}

}  // namespace cohort
