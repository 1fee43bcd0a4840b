#include "core/stream.h"

namespace cohort {

std::optional<Error> Subscription::State::error() const {
  return in->reason() == CloseReason::kFailed ? in->error() : std::nullopt;
}

Subscription::~Subscription() {
  if (!state_) return;
  if (state_->engine.birthplace().is_elsewhere()) {
    abandon(std::move(state_));
    return;
  }
  if (state_->engine.callbacks().is_current()) {
    state_->dropped.store(true);
    close();
    std::move(*this).detach();
    return;
  }
  close();
  state_->engine.wait(state_->done);
  if (state_->thrown && !state_->observed) state_->engine.report_uncaught(state_->thrown);
}

void Subscription::detach() && {
  auto const state = std::exchange(state_, nullptr);
  if (!state) return;
  bool const had_ended = state->fate.exchange(State::Fate::kDetached) == State::Fate::kEnded;
  if (had_ended && !state->observed) detail::Unheard(*state).report(state->engine);
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
  subscribed.in->wait_for(subscribed.done);
  subscribed.observed = true;
  if (subscribed.thrown) std::rethrow_exception(subscribed.thrown);
  if (auto const error = subscribed.error()) throw Error(*error);
  return subscribed.in->reason();
}

bool Subscription::wait_for(Clock::duration duration) const {
  auto& subscribed = state();
  return subscribed.in->wait_for(subscribed.done, Deadline::after(duration));
}

void detail::end_subscription(Subscription::State& state) {
  state.in->feed({});  // it held the callbacks, which hold it
  auto& engine = state.engine;
  Unheard const unheard(state);
  auto const before = state.fate.exchange(Subscription::State::Fate::kEnded);
  state.done.set(engine);
  if (before == Subscription::State::Fate::kDetached) unheard.report(engine);
}

detail::Unheard::Unheard(Subscription::State const& state) : thrown(state.thrown) {
  if (!thrown && !state.tells_error) error = state.error();
}

void detail::Unheard::report(Engine& engine) const noexcept {
  if (thrown) return engine.report_uncaught(thrown);
  if (error) engine.report_unheard(*error);
}

}  // namespace cohort
