#include "core/stream_state.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "core/archive.h"
#include "core/connection.h"
#include "core/wait.h"

namespace cohort {
namespace {

/// A batch goes out when it has this size: small enough to be copied into the connection's buffer,
/// large enough for its frame and its system call to cost nothing per element.
constexpr std::size_t kBatch = 30 << 10;
static_assert(kBatch < Message::kBorrowAtLeast);
/// Arrived batches are joined up to this size.
constexpr std::size_t kJoin = 64 << 10;

std::uint64_t cost_of(std::size_t body) { return body + sizeof(FrameHeader); }

}  // namespace

std::string_view to_string(CloseReason reason) noexcept {
  switch (reason) {
    case CloseReason::kOpen:
      return "open";
    case CloseReason::kFinished:
      return "finished";
    case CloseReason::kClosedHere:
      return "closed by this side";
    case CloseReason::kClosedByPeer:
      return "closed by the remote side";
    case CloseReason::kFailed:
      return "failed";
  }
  return "unknown";
}

std::string no_memory_for(char const* what, std::uint64_t bytes) {
  return std::string("this process has no memory for ") + what + ", which came in " +
         std::to_string(bytes) + " bytes";
}

// ---- the writer's end --------------------------------------------------------------------------

OutStream::OutStream(Engine& engine, std::weak_ptr<Connection> connection, StreamKey key,
                     std::uint64_t window, std::string_view function)
    : engine_(engine),
      connection_(std::move(connection)),
      key_(key),
      function_(function),
      window_(static_cast<std::int64_t>(window)),
      largest_(connection_.lock()->settings().max_message_size),
      credit_(window_) {}

/// Whether the batch must go out before it takes so many bytes more.
bool OutStream::is_full(std::size_t bytes) const noexcept {
  return batch_.size() >= kBatch || (batch_.size() != 0 && batch_.size() + bytes > largest_);
}

void OutStream::check_size(std::size_t bytes) const {
  auto refusal = too_large("a stream's element", bytes, largest_);
  if (refusal.empty()) return;
  auto const connection = connection_.lock();
  throw ElementTooLarge(
      std::move(refusal),
      connection && !key_.ours ? connection->here() : place_of(connection_, function_), this);
}

void OutStream::begin_element(Turn& turn, std::size_t bytes, bool alone) {
  check_size(bytes);
  while (reason_ == CloseReason::kOpen && credit_ <= 0 && (alone || is_full(bytes))) {
    Event room;
    waiting_.push_back(&room);
    turn.lock_.unlock();
    StreamWait lasting(engine_, WaitFor::kRoom, connection_, key_, function_, Deadline::never());
    // Set by credit, and by every end of the stream.
    engine_.wait(room, Deadline::never(), &lasting);
    turn.lock_.lock();
  }
  if (reason_ == CloseReason::kFinished) throw std::logic_error("cohort: a write after the end");
  if (reason_ != CloseReason::kOpen) throw Error(*why_);
  if (is_full(bytes)) send_batch();
}

bool OutStream::try_begin_element(Turn&, std::size_t bytes) {
  check_size(bytes);
  if (reason_ != CloseReason::kOpen || (credit_ <= 0 && is_full(bytes))) return false;
  if (is_full(bytes)) send_batch();
  return true;
}

void OutStream::end_element() {
  if (credit_ <= 0) return;  // on_credit sends it
  if (batch_.size() < kBatch) {
    if (gathering_) return;
    if (burst_.may_gather(engine_, [this] { return Burst::follows(last_send_); })) {
      gathering_ = engine_.hold_back(shared_from_this(), Engine::Flush::kByTick);
      if (gathering_) return;
    }
  }
  if (std::exchange(gathering_, false)) engine_.let_go(*this);
  send_batch();
}

void OutStream::send_alone(Message& element, std::shared_ptr<void const> owner) {
  Turn turn(*this);
  for (begin_element(turn, element.size(), true); batch_.size() != 0 || credit_ <= 0;
       begin_element(turn, element.size(), true)) {
    send_batch();  // a frame of its own, which may use up the credit
  }
  send(FrameKind::kItems, element, std::move(owner));
}

void OutStream::send_batch() noexcept {
  if (batch_.size() != 0) send(FrameKind::kItems, batch_);
}

void OutStream::send(FrameKind kind, Message& body, std::shared_ptr<void const> owner) noexcept {
  if (kind == FrameKind::kItems) credit_ -= static_cast<std::int64_t>(cost_of(body.size()));
  if (auto const connection = connection_.lock()) {
    connection->send_of_stream(kind, key_, body, released_, std::move(owner));
  }
  body.clear();
  last_send_ = Clock::now();
}

void OutStream::flush() noexcept {
  if (birthplace_.is_elsewhere()) return;
  Turn const turn(*this);
  gathering_ = false;
  if (reason_ == CloseReason::kOpen && credit_ > 0) send_batch();
}

void OutStream::finish() noexcept {
  Message nothing;
  fail(nothing);
}

void OutStream::fail(Message& failure) noexcept {
  if (birthplace_.is_elsewhere()) return;
  {
    Turn const turn(*this);
    if (std::exchange(gathering_, false)) engine_.let_go(*this);
    if (reason_ == CloseReason::kOpen) {
      send_batch();  // at most one batch more than there is credit
      reason_ = CloseReason::kFinished;
      send(FrameKind::kEnd, failure);
      wake_writers();
    }
  }
  if (auto const connection = connection_.lock()) connection->streams().forget_out(key_);
}

void OutStream::abandon() noexcept {
  if (birthplace_.is_elsewhere()) return;
  {
    std::lock_guard const lock(mutex_);
    abandoned_ = true;
    if (!key_.ours && !returned_) return;
  }
  fail_abandoned();
}

void OutStream::function_returned() noexcept {
  if (birthplace_.is_elsewhere()) return;
  {
    std::lock_guard const lock(mutex_);
    returned_ = true;
    if (!abandoned_) return;
  }
  fail_abandoned();
}

void OutStream::fail_abandoned() noexcept {
  Message body;
  encode(body, RemoteFailure{.text = "an exception destroyed the stream's Writer"});
  fail(body);
}

/// No more than the window, whatever the peer says.
void OutStream::on_credit(std::uint64_t bytes) noexcept {
  Turn const turn(*this);
  auto const most = static_cast<std::uint64_t>(window_ - credit_);
  credit_ += static_cast<std::int64_t>(std::min(bytes, most));
  if (credit_ <= 0 || reason_ != CloseReason::kOpen) return;
  if (!gathering_ || batch_.size() >= kBatch) send_batch();
  wake_writers();
}

void OutStream::close(CloseReason reason, Error why) noexcept {
  std::lock_guard const lock(mutex_);
  if (reason_ != CloseReason::kOpen) return;
  gathering_ = false;  // there is nothing to flush any more
  reason_ = reason;
  why_ = std::make_unique<Error>(std::move(why));
  batch_.clear();
  wake_writers();
}

void OutStream::wake_writers() noexcept {
  for (auto* event : std::exchange(waiting_, {})) event->set(engine_);
}

CloseReason OutStream::reason() const {
  std::lock_guard const lock(mutex_);
  return reason_;
}

// ---- the reader's end --------------------------------------------------------------------------

InStream::InStream(Engine& engine, std::weak_ptr<Connection> connection, StreamKey key,
                   std::uint64_t window, std::string_view function)
    : engine_(engine),
      connection_(std::move(connection)),
      key_(key),
      window_(window),
      give_back_at_(std::max<std::uint64_t>(window / 4, 1)),
      function_(function),
      allowance_(static_cast<std::int64_t>(window)) {}

/// A frame may be sent while the writer has credit, and one more before the end of the stream.
void InStream::take_allowance(std::uint64_t cost) {
  check_not_ended();
  if (allowance_ <= 0 && std::exchange(overdrawn_, true)) {
    throw DecodeError("it sent more of a stream than its reader allows, whose stream_window is " +
                      std::to_string(window_));
  }
  allowance_ -= static_cast<std::int64_t>(cost);
}

void InStream::check_not_ended() const {
  if (writer_ended_) throw DecodeError("it sent more of a stream after the stream's end");
}

void InStream::add(std::span<std::byte const> elements) {
  std::lock_guard const lock(mutex_);
  auto const cost = cost_of(elements.size());
  take_allowance(cost);
  if (ended_) return;
  if (!arrived_.empty() && arrived_.back().elements.size() + elements.size() <= kJoin) {
    arrived_.back().elements.append(elements.data(), elements.size());
    arrived_.back().cost += cost;
    return;
  }
  spare_.clear();
  spare_.append(elements.data(), elements.size());
  arrived_.push_back({std::exchange(spare_, ByteBuffer()), cost});
  announce();
}

void InStream::add(ByteBuffer elements) {
  std::lock_guard const lock(mutex_);
  auto const cost = cost_of(elements.size());
  take_allowance(cost);
  if (ended_) return;
  arrived_.push_back({std::move(elements), cost});
  announce();
}

void InStream::end_by_writer(std::unique_ptr<Error> error) {
  {
    std::lock_guard const lock(mutex_);
    check_not_ended();
    writer_ended_ = true;
  }
  end(std::move(error));
}

void InStream::end(std::unique_ptr<Error> error) {
  std::lock_guard const lock(mutex_);
  if (std::exchange(ended_, true)) return;
  error_ = std::move(error);
  reason_ = error_ ? CloseReason::kFailed : CloseReason::kFinished;
  announce();
}

void InStream::announce() {
  available_.set(engine_);
  announce_to_consumer();
}

/// The consumer fetches all there is, so one call is enough until it has found nothing more.
void InStream::announce_to_consumer() {
  if (!consumer_ || std::exchange(consumer_called_, true)) return;
  engine_.callbacks().post([consumer = consumer_] { consumer(); });
}

void InStream::feed(std::function<void()> consumer, bool has_more) {
  birthplace_.require_here();
  std::lock_guard const lock(mutex_);  // left before `consumer`, then the old one, is destroyed
  consumer_.swap(consumer);
  if (has_more || !arrived_.empty() || ended_) announce_to_consumer();
}

bool InStream::wait_for(Event& event, Deadline deadline) {
  if (event.ready()) return true;
  StreamWait lasting(engine_, WaitFor::kElements, connection_, key_, function_, deadline);
  return engine_.wait(event, deadline, &lasting);
}

bool InStream::fetch(ByteBuffer& batch, Deadline deadline) {
  birthplace_.require_here();
  if (!consumer_ && !wait(deadline)) return false;
  std::uint64_t give_back = 0;
  {
    std::lock_guard const lock(mutex_);
    if (arrived_.empty()) {
      consumer_called_ = consumer_called_ && ended_;
      return false;
    }
    if (batch.capacity() > spare_.capacity() && batch.capacity() <= 2 * kJoin) spare_.swap(batch);
    batch = std::move(arrived_.front().elements);
    taken_ += arrived_.front().cost;
    was_read_ = true;
    arrived_.pop_front();
    if (arrived_.empty() && !ended_) available_.reset();
    if (taken_ >= give_back_at_ && !ended_) {
      give_back = std::exchange(taken_, 0);
      allowance_ += static_cast<std::int64_t>(give_back);
    }
  }
  if (give_back != 0) {
    if (auto const connection = connection_.lock()) connection->give_credit(key_, give_back);
  }
  return true;
}

void InStream::close(bool drops_more) noexcept {
  if (birthplace_.is_elsewhere()) return;
  std::deque<Arrived> dropped;
  bool ended = false;
  {
    std::lock_guard const lock(mutex_);
    dropped.swap(arrived_);
    ended = std::exchange(ended_, true);
    if (!ended || !dropped.empty() || drops_more) reason_ = CloseReason::kClosedHere;
    if (!ended) announce();
  }
  auto const connection = connection_.lock();
  if (!connection) return;
  connection->streams().forget_in(key_);
  if (ended) return;
  Message nothing;
  Owners released;
  connection->send_of_stream(FrameKind::kStop, key_, nothing, released);
}

Error InStream::broken(ErrorKind kind, std::string text) const {
  return Error(kind, std::move(text), place_of(connection_, function_));
}

CloseReason InStream::reason() const {
  std::lock_guard const lock(mutex_);
  return arrived_.empty() || reason_ == CloseReason::kClosedHere ? reason_ : CloseReason::kOpen;
}

ReaderIs InStream::reader() const {
  std::lock_guard const lock(mutex_);
  if (arrived_.empty()) return ReaderIs::kElsewhere;
  return was_read_ || consumer_ ? ReaderIs::kIdle : ReaderIs::kAbsent;
}

std::optional<Error> InStream::error() const {
  std::lock_guard const lock(mutex_);
  return error_ ? std::optional(*error_) : std::nullopt;
}

}  // namespace cohort
