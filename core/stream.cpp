#include "core/stream.h"

namespace cohort {

Subscription::~Subscription() {
  if (!state_) return;
  close();
  if (!state_->engine.callbacks().is_current()) state_->engine.wait(state_->done);
}

Subscription::State& Subscription::state() const {
  if (!state_) throw std::logic_error("cohort: this Subscription belongs to no stream");
  if (state_->engine.callbacks().is_current() && !state_->done.ready()) {
    throw std::logic_error("cohort: a callback waited for the end of a subscription");
  }
  return *state_;
}

CloseReason Subscription::wait() const {
  auto& subscribed = state();
  subscribed.engine.wait(subscribed.done);
  if (subscribed.thrown) std::rethrow_exception(subscribed.thrown);
  auto const reason = subscribed.in->reason();
  if (auto const error = subscribed.in->error(); error && reason == CloseReason::kFailed) {
    throw Error(*error);
  }
  return reason;
}

bool Subscription::wait_for(Clock::duration duration) const {
  auto& subscribed = state();
  return subscribed.engine.wait(subscribed.done, Deadline::after(duration));
}

void detail::end_subscription(Subscription::State& state) {
  state.in->feed({});  // it held the callbacks, which hold it
  auto const somebody_may_wait = state.handle.lock();
  state.done.set(state.engine);
  if (state.thrown && !somebody_may_wait) state.engine.report_uncaught(state.thrown);
}

}  // namespace cohort
