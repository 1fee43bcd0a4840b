#include "core/stream.h"

namespace cohort {

CloseReason Subscription::wait() const {
  state_->engine.wait(state_->done);
  if (state_->thrown) std::rethrow_exception(state_->thrown);
  auto const reason = state_->in->reason();
  if (auto const error = state_->in->error(); error && reason == CloseReason::kFailed) {
    throw Error(*error);
  }
  return reason;
}

void detail::end_subscription(Subscription::State& state) {
  state.in->feed({});  // it held the callbacks, which hold it
  auto const somebody_may_wait = state.handle.lock();
  state.done.set(state.engine);
  if (state.thrown && !somebody_may_wait) state.engine.report_uncaught(state.thrown);
}

}  // namespace cohort
