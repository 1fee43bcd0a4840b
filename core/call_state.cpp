#include "core/call_state.h"

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
  engine_.wait(available_, deadline);
  std::lock_guard const lock(mutex_);
  if (tags_.empty()) return std::nullopt;
  auto const tag = tags_.front();
  tags_.pop_front();
  --left_;
  if (tags_.empty() && left_ != 0) available_.reset();
  return tag;
}

void CallState::settle() {
  if (done.set(engine)) queue->push(tag);
  release();
}

void CallState::settle_with(Error failure) {
  error = std::make_unique<Error>(std::move(failure));
  settle();
}

}  // namespace cohort
