#include "core/call_state.h"

#include "core/wait.h"

namespace cohort {

void CompletionQueue::expect() {
  std::lock_guard const lock(mutex_);
  if (left_++ == 0) available_.reset();
}

void CompletionQueue::withdraw() {
  std::lock_guard const lock(mutex_);
  if (--left_ == 0) available_.set(engine_);
}

std::size_t CompletionQueue::left() const {
  std::lock_guard const lock(mutex_);
  return left_;
}

void CompletionQueue::push(std::size_t tag) {
  // The event is set under the mutex, so that pop() cannot reset it in between.
  std::lock_guard const lock(mutex_);
  tags_.push_back(tag);
  available_.set(engine_);
}

std::optional<std::size_t> CompletionQueue::pop(Deadline deadline) {
  AnyAnswerWait lasting(engine_, *this, deadline);
  engine_.wait(available_, deadline, &lasting);
  std::lock_guard const lock(mutex_);
  if (tags_.empty()) return std::nullopt;
  auto const tag = tags_.front();
  tags_.pop_front();
  --left_;
  if (tags_.empty() && left_ != 0) available_.reset();
  return tag;
}

void CompletionQueue::note(CallState& call) {
  std::lock_guard const lock(mutex_);
  call.place_in_queue = calls_.size();
  calls_.push_back(&call);
}

void CompletionQueue::forget(CallState& call) noexcept {
  std::lock_guard const lock(mutex_);
  auto const place = std::exchange(call.place_in_queue, CallState::kNowhere);
  if (place == CallState::kNowhere) return;
  calls_[place] = calls_.back();
  calls_[place]->place_in_queue = place;
  calls_.pop_back();
  call.place_in_queue = CallState::kNowhere;  // it may have been the last
}

void CallState::settle() {
  if (done.set(engine)) {
    queue->forget(*this);
    queue->push(tag);
  }
  release();
}

void CallState::settle_with(Error failure) {
  error = std::make_unique<Error>(std::move(failure));
  settle();
}

}  // namespace cohort
