#include "core/connection.h"

#include <exception>
#include <stdexcept>
#include <thread>

#include "core/archive.h"
#include "core/function.h"

namespace cohort {
namespace {

/// Output of at least this size is worth a system call of its own, so that the peer begins early.
constexpr std::size_t kSendAtOnce = 8 << 10;

constexpr char kMessage[] = "a message";

struct ReleaseCall {
  void operator()(CallState* state) const noexcept { state->release(); }
};

}  // namespace

Connection::Connection(Engine& engine, std::unique_ptr<Channel> channel, Settings const& settings,
                       Provenance peer, ConnectionHandler& handler,
                       std::span<std::byte const> already_read)
    : engine_(engine),
      channel_(std::move(channel)),
      settings_(settings),
      peer_(std::move(peer)),
      handler_(handler),
      reader_(settings.max_message_size) {
  reader_.preload(already_read);
}

Connection::~Connection() {
  if (birthplace_.is_elsewhere()) return;
  fail_pending({ErrorKind::kDisconnected, "the connection was closed"});
  if (channel_->still_receives()) static_cast<void>(new FrameReader(std::move(reader_)));
}

void Connection::start() {
  // In one go: input that is read before the preloaded bytes are parsed would be handled twice.
  engine_.run_locked([this] {
    {
      std::lock_guard const lock(mutex_);
      engine_.attach(shared_from_this());
      if (waits_for_room_) engine_.want_writable(*this, true);
    }
    schedule_heartbeat();
    reader_.parse();
    attend_to_frames();
  });
}

void Connection::close(ErrorKind kind, std::string reason) {
  if (birthplace_.is_elsewhere()) return;
  engine_.run_locked([this] {
    if (ended_) return;
    ended_ = true;
    {
      std::lock_guard const lock(mutex_);
      if (std::exchange(waits_for_room_, false)) engine_.want_writable(*this, false);
    }
    engine_.timers().cancel(heartbeat_timer_);
    engine_.detach(*this);
  });
  channel_->shut_down();
  fail_pending({kind, std::move(reason)});
}

// ---- calling ---------------------------------------------------------------------------------

void Connection::call(FunctionId function, Message& arguments, CallState& state,
                      std::shared_ptr<void const> owner, StreamsWanted wanted,
                      CallStreams* streams) {
  if (birthplace_.is_elsewhere()) return refuse_forked_child(arguments, state, streams);
  // Where this throws, nobody will settle the call.
  std::unique_ptr<CallState, ReleaseCall> unsettled(&state);
  if (auto refusal = too_large(kMessage, arguments.size(), settings_.max_message_size);
      !refusal.empty()) {
    arguments.clear();
    refuse_call(state, {ErrorKind::kRefused, std::move(refusal)}, wanted, streams);
    return static_cast<void>(unsettled.release());
  }
  check_borrowing(arguments, owner);
  std::unique_lock lock(mutex_);
  if (lost_) {
    auto const lost = *lost_;
    lock.unlock();
    arguments.clear();
    refuse_call(state, lost, wanted, streams);
    return static_cast<void>(unsettled.release());
  }
  state.id = add_pending(state);
  try {
    if (streams != nullptr) *streams = open_streams({state.id, true}, wanted, state.function);
    send_call(lock,
              {.kind = FrameKind::kCall,
               .flags = frame_flags::of_streams(wanted.out, wanted.in),
               .function = function,
               .call = state.id,
               .length = arguments.size()},
              arguments, std::move(owner));
    static_cast<void>(unsettled.release());
  } catch (...) {
    if (lock.owns_lock()) {  // no memory, and nothing was sent
      static_cast<void>(take_pending(state.id));
      lock.unlock();
      static_cast<void>(streams_.take({state.id, true}));
    } else {
      static_cast<void>(unsettled.release());
    }
    throw;
  }
}

/// What has streams throws at once: there is nobody to end them.
void Connection::refuse_forked_child(Message& arguments, CallState& state, CallStreams* streams) {
  arguments.clear();
  try {
    birthplace_.require_here();
  } catch (Error const& error) {
    state.settle_with(error);
    if (streams != nullptr) throw;
  }
}

/// Who borrows without an owner waits in send_call, which a handler must not.
void Connection::check_borrowing(Message const& arguments,
                                 std::shared_ptr<void const> const& owner) const {
  if (arguments.borrows() && owner == nullptr && engine_.in_handler()) {
    throw std::logic_error("cohort: a handler must not call with borrowed arguments");
  }
}

/// Leaves the mutex, and returns when borrowed arguments that nobody owns were sent. Where nothing
/// can be sent any more, fail_pending is on its way.
void Connection::send_call(std::unique_lock<std::mutex>& lock, FrameHeader const& header,
                           Message& arguments, std::shared_ptr<void const> owner) {
  if (broken_out_) return arguments.clear();
  Event all_sent;
  bool const must_wait = arguments.borrows() && owner == nullptr;
  Sent sent;
  out_.append(header, arguments, std::move(owner), must_wait ? &all_sent : nullptr);
  send_soon(may_gather(), sent);
  lock.unlock();
  tell_sent(sent);
  if (must_wait) engine_.wait(all_sent);
}

/// The call cannot be sent: all that belongs to it fails at once.
void Connection::refuse_call(CallState& state, Error const& why, StreamsWanted wanted,
                             CallStreams* streams) {
  auto const error = at_function(why, state.function);
  if (streams != nullptr) {
    // Not in the table: the call has no id, like others that are refused at the same time.
    *streams = make_streams({state.id, true}, wanted, state.function);
    if (streams->in) streams->in->end(std::make_unique<Error>(error));
    if (streams->out) streams->out->close(CloseReason::kFailed, error);
  }
  state.settle_with(error);
}

void Connection::post(FunctionId function, std::string_view name, Message& arguments,
                      std::shared_ptr<void const> owner) {
  birthplace_.require_here();
  if (auto refusal = too_large(kMessage, arguments.size(), settings_.max_message_size);
      !refusal.empty()) {
    arguments.clear();
    throw at_function({ErrorKind::kRefused, std::move(refusal)}, name);
  }
  check_borrowing(arguments, owner);
  std::unique_lock lock(mutex_);
  if (lost_ || broken_out_) {
    arguments.clear();
    throw at_function(lost_ ? *lost_ : Error(ErrorKind::kDisconnected, "the connection has ended"),
                      name);
  }
  has_posted_ = true;
  send_call(lock,
            {.kind = FrameKind::kCall,
             .flags = frame_flags::kOneWay,
             .function = function,
             .length = arguments.size()},
            arguments, std::move(owner));
}

/// True where the call may be held back for a moment, since more of them come in quick succession.
bool Connection::may_gather() {
  return burst_.may_gather(engine_,
                           [this] { return outstanding_ > 1 && Burst::follows(last_flush_); });
}

CallId Connection::add_pending(CallState& state) {
  auto index = first_free_;
  if (index == kNoSlot) {
    index = static_cast<std::uint32_t>(slots_.size());
    slots_.push_back({});
  } else {
    first_free_ = slots_[index].next_free;
  }
  slots_[index].state = &state;
  ++outstanding_;
  return CallId{std::uint64_t{slots_[index].generation} << 32 | index};
}

CallState* Connection::take_pending(CallId id) noexcept {
  auto const number = static_cast<std::uint64_t>(id);
  auto const index = static_cast<std::uint32_t>(number);
  if (index >= slots_.size()) return nullptr;
  auto& slot = slots_[index];
  if (slot.generation != number >> 32 || slot.state == nullptr) return nullptr;
  ++slot.generation;
  slot.next_free = first_free_;
  first_free_ = index;
  --outstanding_;
  return std::exchange(slot.state, nullptr);
}

void Connection::cancel(CallState const& state) {
  cancel(state, {ErrorKind::kCancelled, "the caller cancelled the call"});
}

void Connection::cancel(CallState const& state, Error const& why) {
  if (birthplace_.is_elsewhere()) return;
  Sent sent;
  CallState* taken = nullptr;
  {
    std::lock_guard const lock(mutex_);
    taken = take_pending(state.id);
    if (taken == nullptr) return;
    if (!broken_out_) {
      Message nothing;
      out_.append({.kind = FrameKind::kCancel, .call = state.id}, nothing);
      send_some(sent);
    }
  }
  tell_sent(sent);
  auto const error = at_function(why, taken->function);
  auto const open = streams_.take({state.id, true});
  if (open.in) open.in->end(std::make_unique<Error>(error));
  if (open.out) open.out->close(CloseReason::kFailed, error);
  taken->settle_with(error);
}

void Connection::fail_pending(Error why) {
  if (birthplace_.is_elsewhere()) return;
  std::vector<CallState*> taken;
  Sent sent;
  {
    std::lock_guard const lock(mutex_);
    if (!lost_) lost_ = std::make_unique<Error>(std::move(why));
    broken_out_ = true;
    bool const still_read = channel_->still_sends();
    out_.clear(sent);
    // Never freed, since nobody says when. (Whoever lent a block without giving it away, as a
    // caller that waits until it was sent, goes on with it.)
    if (still_read) static_cast<void>(new Owners(std::move(sent.owners)));
    take_drain_waiters(sent.events);
    for (std::uint32_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i].state == nullptr) continue;
      taken.push_back(take_pending(CallId{std::uint64_t{slots_[i].generation} << 32 | i}));
    }
  }
  tell_sent(sent);
  end_streams(StreamTable::Whose::kAll, *lost_);
  for (auto* state : taken) state->settle_with(at_function(*lost_, state->function));
}

Error Connection::at_function(Error const& why, std::string_view function) const {
  auto where = peer_;
  where.function = readable_signature(function);
  return Error(why.kind(), why.reason(), std::move(where), why.exception_type(), why.exit());
}

bool Connection::lost() const {
  if (birthplace_.is_elsewhere()) return true;
  std::lock_guard const lock(mutex_);
  return lost_ != nullptr;
}

std::size_t Connection::pending_calls() const {
  std::lock_guard const lock(mutex_);
  return outstanding_;
}

bool Connection::has_unfinished_calls() const {
  std::lock_guard const lock(mutex_);
  return outstanding_ != 0 || has_posted_;
}

bool Connection::is_awaited() const {
  std::lock_guard const lock(mutex_);
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].state == nullptr) continue;
    CallId const id{std::uint64_t{slots_[i].generation} << 32 | i};
    if (slots_[i].state->is_held() || streams_.is_held({id, true})) return true;
  }
  return false;
}

// ---- answering -------------------------------------------------------------------------------

std::size_t Connection::reply(CallId call, FunctionId function, Message& result,
                              std::shared_ptr<void const> owner, bool more_follows) {
  if (auto refusal = too_large(kMessage, result.size(), settings_.max_message_size);
      !refusal.empty()) {
    result.clear();
    return reply_failure(call, function,
                         {RemoteFailure::Kind::kRefused, {}, "the result is " + refusal});
  }
  std::size_t unsent = 0;
  Sent sent;
  {
    std::lock_guard const lock(mutex_);
    if (broken_out_) {
      result.clear();
      return 0;
    }
    out_.append(
        {.kind = FrameKind::kReply, .function = function, .call = call, .length = result.size()},
        result, std::move(owner));
    send_soon(more_follows && Burst::follows(last_flush_), sent);
    unsent = out_.size();
  }
  tell_sent(sent);
  return unsent;
}

std::size_t Connection::reply_failure(CallId call, FunctionId function,
                                      RemoteFailure const& failure) {
  auto body = encoded(failure);
  std::size_t unsent = 0;
  Sent sent;
  {
    std::lock_guard const lock(mutex_);
    if (broken_out_) return 0;
    out_.append(
        {.kind = FrameKind::kFailure, .function = function, .call = call, .length = body.size()},
        body);
    send_some(sent);
    unsent = out_.size();
  }
  tell_sent(sent);
  return unsent;
}

std::size_t Connection::unsent() const {
  std::lock_guard const lock(mutex_);
  return out_.size();
}

Message Connection::encoded(RemoteFailure failure) const {
  Message body;
  encode(body, failure);
  if (body.size() <= settings_.max_message_size) return body;
  auto const most = static_cast<std::size_t>(settings_.max_message_size / 4);
  for (auto* text : {&failure.exception_type, &failure.text, &failure.function}) {
    if (text->size() > most) text->resize(most);
  }
  body.clear();
  encode(body, failure);
  return body;
}

void Connection::send_control(FrameKind kind, Message body, std::uint64_t count) {
  FrameHeader const header{.kind = kind, .call = CallId{count}, .length = body.size()};
  send_at_once(header, std::move(body));
}

void Connection::send_shutdown_after_calls() {
  send_at_once({.kind = FrameKind::kShutdown, .flags = frame_flags::kAfterCalls}, {});
}

void Connection::send_at_once(FrameHeader const& header, Message body) {
  if (birthplace_.is_elsewhere()) return;
  Sent sent;
  {
    std::lock_guard const lock(mutex_);
    if (broken_out_) return;
    out_.append(header, body);
    send_some(sent);
  }
  tell_sent(sent);
}

bool Connection::send_last_words(FrameKind kind, Message& body, Deadline deadline) noexcept {
  constexpr std::chrono::milliseconds kRetry{1};
  bool appended = false;
  for (; !deadline.passed(); std::this_thread::sleep_for(kRetry)) {
    std::unique_lock const lock(mutex_, std::try_to_lock);
    if (!lock.owns_lock()) continue;
    if (broken_out_) return false;
    if (!std::exchange(appended, true)) {
      out_.append({.kind = kind, .length = body.size()}, body);
    }
    Sent sent;  // nobody who waits for it will go on
    waits_for_room_ = false;
    send_some(sent);
    if (out_.empty()) return !broken_out_;
  }
  return false;
}

std::string too_large(char const* what, std::size_t bytes, std::uint64_t most) {
  if (bytes <= most) return {};
  return std::string(what) + " of " + std::to_string(bytes) +
         " bytes, which exceeds max_message_size = " + std::to_string(most) +
         " (COHORT_MAX_MESSAGE_SIZE raises it)";
}

Provenance place_of(std::weak_ptr<Connection> const& connection, std::string_view function) {
  auto const alive = connection.lock();
  auto place = alive ? alive->peer() : Provenance();
  place.function = readable_signature(function);
  return place;
}

// ---- output ----------------------------------------------------------------------------------

void Connection::send_soon(bool hold, Sent& sent) {
  if (hold && out_.size() < kSendAtOnce) {
    if (!held_back_) held_back_ = engine_.hold_back(shared());
    if (held_back_) return;
  }
  if (std::exchange(held_back_, false)) engine_.let_go(*this);
  send_some(sent);
}

void Connection::send_some(Sent& sent) noexcept {
  if (waits_for_room_ || broken_out_ || out_.empty()) return;
  last_flush_ = Clock::now();
  OutQueue::Parts parts;
  while (!out_.empty()) {
    std::size_t first_block = 0;
    auto const waiting = out_.parts(parts, first_block);
    auto const result = channel_->send(waiting, first_block);
    switch (result.status) {
      case IoResult::Status::kMoved:
        out_.consume(result.bytes, sent);
        peer_takes_ = true;
        break;
      case IoResult::Status::kWouldBlock:
        waits_for_room_ = true;
        engine_.want_writable(*this, true);
        return;
      case IoResult::Status::kClosed:
      case IoResult::Status::kBroken:
        // The receiving side tells of the end, after what the peer had still sent.
        broken_out_ = true;
        out_.clear(sent);
    }
  }
  take_drain_waiters(sent.events);
}

void Connection::take_drain_waiters(std::vector<Event*>& into) noexcept {
  into.insert(into.end(), drain_waiters_.begin(), drain_waiters_.end());
  drain_waiters_.clear();
}

void Connection::tell_sent(Sent& sent) noexcept {
  for (auto* event : sent.events) event->set(engine_);
  if (engine_.in_handler()) return engine_.destroy_later(std::move(sent.owners));
  sent.owners.clear();
}

void Connection::flush() noexcept {
  if (birthplace_.is_elsewhere()) return;
  Sent sent;
  {
    std::lock_guard const lock(mutex_);
    held_back_ = false;
    send_some(sent);
  }
  tell_sent(sent);
}

bool Connection::drain(Deadline deadline) {
  if (birthplace_.is_elsewhere()) return false;
  Event drained;
  flush();
  {
    std::lock_guard const lock(mutex_);
    if (out_.empty() || engine_.in_handler()) return out_.empty() && !broken_out_;
    drain_waiters_.push_back(&drained);
  }
  bool const done = engine_.wait(drained, deadline);
  std::unique_lock lock(mutex_);
  bool const whole = done && !broken_out_;
  bool const about_to_be_set = std::erase(drain_waiters_, &drained) == 0;
  lock.unlock();
  if (about_to_be_set) engine_.wait(drained);
  return whole;
}

void Connection::on_writable() noexcept {
  Sent sent;
  {
    std::lock_guard const lock(mutex_);
    if (std::exchange(waits_for_room_, false)) engine_.want_writable(*this, false);
    send_some(sent);
  }
  tell_sent(sent);
}

}  // namespace cohort
