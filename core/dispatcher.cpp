#include "core/dispatcher.h"

#include <exception>
#include <new>

namespace cohort {
namespace {

/// Results that the caller does not fetch: the worker waits for it rather than fill its memory.
constexpr std::size_t kUnsentAtMost = 32 << 20;

}  // namespace

std::unique_ptr<Batch> Dispatcher::enqueue(std::unique_ptr<Batch> batch) {
  std::lock_guard const lock(mutex_);
  enqueued_ += batch->frames.size();
  queue_.push_back(std::move(batch));
  has_work_.set(engine_);
  return std::move(spare_);
}

void Dispatcher::cancel(CallId call) {
  std::optional<std::stop_source> stop;
  {
    std::lock_guard const lock(mutex_);
    if (running_ != call) {
      if (cancelled_.insert(call).second) cancelled_in_order_.push_back({call, enqueued_});
      any_cancelled_.store(true);
      return;
    }
    stop = running_stop_;
  }
  if (stop) stopper_.post([stop = std::move(*stop)]() mutable { stop.request_stop(); });
}

void Dispatcher::stop() {
  std::optional<std::stop_source> stop;
  {
    std::lock_guard const lock(mutex_);
    stopping_.store(true);
    stop = running_stop_;
    has_work_.set(engine_);
  }
  if (stop) stopper_.post([stop = std::move(*stop)]() mutable { stop.request_stop(); });
}

void Dispatcher::run(Connection& connection) {
  std::unique_ptr<Batch> batch;
  while (!stopping_.load(std::memory_order_relaxed)) {
    batch = next_batch(std::move(batch));
    if (batch) run_batch(connection, *batch);
  }
}

std::unique_ptr<Batch> Dispatcher::next_batch(std::unique_ptr<Batch> done) {
  {
    std::lock_guard const lock(mutex_);
    if (done) spare_ = std::move(done);
    if (queue_.empty() && !stopping_.load()) has_work_.reset();
    forget_late_cancels();
  }
  engine_.wait(has_work_);
  std::lock_guard const lock(mutex_);
  if (queue_.empty()) return nullptr;
  auto batch = std::move(queue_.front());
  queue_.pop_front();
  begun_ += batch->frames.size();
  return batch;
}

/// Between two batches: every call that was taken has ended.
void Dispatcher::forget_late_cancels() {
  auto& late = cancelled_in_order_;
  for (; !late.empty() && late.front().moot_after <= begun_; late.pop_front()) {
    cancelled_.erase(late.front().call);
  }
  if (cancelled_.empty()) any_cancelled_.store(false);
}

void Dispatcher::run_batch(Connection& connection, Batch const& batch) {
  for (std::size_t i = 0; i < batch.frames.size(); ++i) {
    if (stopping_.load(std::memory_order_relaxed)) break;
    run_call(connection, batch.frames[i], i + 1 < batch.frames.size());
  }
  connection.flush();
}

void Dispatcher::run_call(Connection& connection, Frame const& frame, bool more_follows) {
  auto const& header = frame.header;
  void* object = nullptr;
  auto const* entry = find(header.function, object);
  if (entry == nullptr) {
    return connection.reply_failure(
        header.call, header.function,
        {RemoteFailure::Kind::kRefused,
         {},
         "the worker has no function " +
             std::to_string(static_cast<std::uint32_t>(header.function))});
  }
  auto stop = begin(header.call, entry->takes_stop_token);
  if (!stop) return;
  try {
    entry->thunk(object, frame.bytes(), std::move(*stop), reply_);
    finish();
    auto const unsent = connection.reply(header.call, header.function, reply_.body,
                                         std::move(reply_.owner), more_follows);
    if (unsent > kUnsentAtMost) static_cast<void>(connection.drain(Deadline::never()));
  } catch (detail::BadArguments const& error) {
    finish();
    connection.reply_failure(header.call, header.function,
                             {RemoteFailure::Kind::kRefused, {}, error.what()});
  } catch (...) {
    finish();
    auto text = describe_current_exception();
    connection.reply_failure(
        header.call, header.function,
        {RemoteFailure::Kind::kThrew, std::move(text.type), std::move(text.what)});
  }
  reply_.body.clear();
  reply_.owner.reset();
}

FunctionEntry const* Dispatcher::find(FunctionId function, void*& object) const {
  auto const id = static_cast<std::uint32_t>(function);
  if (id >= kFirstBuiltinFunction) {
    object = builtin_object_;
    auto const index = id - kFirstBuiltinFunction;
    return index < builtins_.size() ? &builtins_[index] : nullptr;
  }
  object = object_;
  return id < functions_.size() && object_ != nullptr ? &functions_[id] : nullptr;
}

/// Marks the call as running; nothing where it was cancelled while it waited.
std::optional<std::stop_token> Dispatcher::begin(CallId call, bool takes_stop_token) {
  if (!takes_stop_token && !any_cancelled_.load(std::memory_order_relaxed))
    return std::stop_token();
  std::lock_guard const lock(mutex_);
  if (cancelled_.erase(call) != 0) return std::nullopt;
  if (!takes_stop_token) return std::stop_token();
  running_ = call;
  running_stop_.emplace();
  if (stopping_.load()) running_stop_->request_stop();
  return running_stop_->get_token();
}

void Dispatcher::finish() noexcept {
  if (!running_stop_) return;
  std::lock_guard const lock(mutex_);
  running_ = CallId{};
  running_stop_.reset();
}

}  // namespace cohort
