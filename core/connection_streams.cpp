// A connection's streams: how frames reach their ends, and how they end with it.
#include <cstring>
#include <iterator>
#include <utility>

#include "core/archive.h"
#include "core/connection.h"
#include "core/function.h"

namespace cohort {

CallStreams Connection::make_streams(StreamKey key, StreamsWanted wanted,
                                     std::string_view function) {
  CallStreams streams;
  auto const window = settings_.stream_window;
  if (wanted.in) streams.in = std::make_shared<InStream>(engine_, shared(), key, window, function);
  if (wanted.out) {
    streams.out = std::make_shared<OutStream>(engine_, shared(), key, window, function);
  }
  return streams;
}

/// The same, in the table.
CallStreams Connection::open_streams(StreamKey key, StreamsWanted wanted,
                                     std::string_view function) {
  auto streams = make_streams(key, wanted, function);
  if ((wanted.in || wanted.out) && !streams_.add(key, streams)) {
    throw DecodeError("a call with the id of another one whose streams are open");
  }
  return streams;
}

/// A call that arrives opens them, since its first elements may be right behind it.
void Connection::open_streams(FrameHeader const& call) {
  if ((call.flags & frame_flags::kStreams) == 0) return;
  static_cast<void>(open_streams({call.call, false},
                                 {.in = (call.flags & frame_flags::kTakesItems) != 0,
                                  .out = (call.flags & frame_flags::kGivesItems) != 0},
                                 {}));
}

/// Frames of streams that are no longer open were on their way when that happened.
void Connection::handle_of_stream(Frame const& frame) {
  StreamKey const key{frame.header.call, (frame.header.flags & frame_flags::kOfSender) == 0};
  auto const open = streams_.find(key);
  switch (frame.header.kind) {
    case FrameKind::kItems:
      if (!open.in) return;
      if (reader_.is_large()) return open.in->add(reader_.take_memory({}));
      return open.in->add(frame.bytes());
    case FrameKind::kEnd: {
      if (!open.in) return;
      std::unique_ptr<Error> error;
      if (frame.header.length != 0) {
        error = std::make_unique<Error>(
            error_of(decode<RemoteFailure>(frame.bytes()), open.in->function()));
      }
      return open.in->end_by_writer(std::move(error));
    }
    case FrameKind::kStop:
      if (!open.out) return;
      return open.out->close(CloseReason::kClosedByPeer,
                             at_function({ErrorKind::kCancelled, "the reader closed the stream"},
                                         open.out->function()));
    default: {
      std::uint64_t bytes = 0;
      std::memcpy(&bytes, frame.body, sizeof bytes);
      if (open.out) open.out->on_credit(bytes);
    }
  }
}

/// The caller wants nothing more of the call.
void Connection::cancel_streams(CallId call) {
  auto const open = streams_.take({call, false});
  Error const error(ErrorKind::kCancelled, "the caller cancelled the call", peer_);
  if (open.in) open.in->end(std::make_unique<Error>(error));
  if (open.out) open.out->close(CloseReason::kClosedByPeer, error);
}

void Connection::fail_streams(CallId call, RemoteFailure const& failure) {
  auto const open = streams_.take({call, false});
  if (open.out) {
    auto body = encoded(failure);
    open.out->fail(body);
  }
  if (open.in) open.in->close();
}

void Connection::end_streams(StreamTable::Whose whose, Error const& why) {
  for (auto const& open : streams_.take_all(whose)) {
    auto const error = at_function(why, open.in ? open.in->function() : open.out->function());
    if (open.in) open.in->end(std::make_unique<Error>(error));
    if (open.out) open.out->close(CloseReason::kFailed, error);
  }
}

void Connection::interrupt_streams(ErrorKind kind, std::string reason) {
  end_streams(StreamTable::Whose::kAll, {kind, std::move(reason)});
}

void Connection::send_of_stream(FrameKind kind, StreamKey key, Message& body, Owners& released,
                                std::shared_ptr<void const> owner) {
  Sent sent;
  {
    std::lock_guard const lock(mutex_);
    if (broken_out_) return body.clear();
    out_.append({.kind = kind,
                 .flags = key.ours ? frame_flags::kOfSender : std::uint8_t{0},
                 .call = key.call,
                 .length = body.size()},
                body, std::move(owner));
    send_soon(false, sent);
  }
  released.insert(released.end(), std::make_move_iterator(sent.owners.begin()),
                  std::make_move_iterator(sent.owners.end()));
  sent.owners.clear();
  tell_sent(sent);
}

void Connection::give_credit(StreamKey key, std::uint64_t bytes) {
  Message body;
  body.append(&bytes, sizeof bytes);
  Owners released;
  send_of_stream(FrameKind::kCredit, key, body, released);
}

}  // namespace cohort
