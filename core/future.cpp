#include "core/future.h"

#include "core/wait.h"

namespace cohort {

void AnyFuture::cancel() const {
  auto const& call = state();
  if (call.done.ready()) return;
  if (auto const connection = call.connection.lock()) connection->cancel(call);
}

bool AnyFuture::wait(Deadline deadline) const {
  auto& call = state();
  if (call.done.ready()) return true;
  AnswerWait lasting(call, deadline);
  return call.engine.wait(call.done, deadline, &lasting);
}

std::string AnyFuture::explain() const { return cohort::explain(state()); }

std::unique_ptr<CallState, AnyFuture::Release> AnyFuture::take() {
  wait();
  std::unique_ptr<CallState, Release> taken(std::exchange(state_, nullptr));
  if (taken->error) throw Error(*taken->error);
  return taken;
}

Error AnyFuture::lacks_memory(CallState const& call) {
  return Error(ErrorKind::kRefused, no_memory_for("the result", call.payload.bytes().size()),
               place_of(call.connection, call.function));
}

void CompletionWatch::add(AnyFuture const& future, std::size_t tag) {
  auto& call = future.state();
  if (!queue_) queue_ = std::make_shared<CompletionQueue>(call.engine);
  queue_->expect();
  // It may be watched already; once that is taken back nobody else reads queue and tag.
  if (call.done.unwatch()) {
    if (auto const other = std::exchange(call.queue, queue_)) {
      other->forget(call);
      other->withdraw();
    }
    call.tag = tag;
    queue_->note(call);
    if (call.done.watch()) return;
    queue_->forget(call);
  }
  queue_->push(tag);
}

std::optional<std::size_t> CompletionWatch::next(Deadline deadline) {
  return queue_ ? queue_->pop(deadline) : std::nullopt;
}

/// Calls that are settled later push into the queue, which their states keep alive.
CompletionWatch::~CompletionWatch() = default;

}  // namespace cohort
