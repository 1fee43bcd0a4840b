#include "core/dispatcher.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <string>

#include <cxxabi.h>

#include "core/forced_unwind.h"
#include "core/start_thread.h"

namespace cohort {
namespace {

/// Bytes of results that a caller may leave unread.
constexpr std::size_t kUnreadAtMost = 32 << 20;
/// Who waits for a reader sees at such intervals whether the worker is to end.
constexpr std::chrono::milliseconds kLooksForTheEnd{100};
/// Cancels that may be kept of calls that are not in the queue (any more): more are a peer's fault.
constexpr std::size_t kLateCancelsAtMost = 4096;

}  // namespace

void Dispatcher::serve(void* object, std::span<FunctionEntry const> functions) {
  object_ = object;
  functions_ = functions;
}

// ---- the queue ---------------------------------------------------------------------------------

std::shared_ptr<Batch> Dispatcher::enqueue(std::shared_ptr<Client> client,
                                           std::shared_ptr<Batch> batch) {
  std::lock_guard const lock(mutex_);
  if (finishing_) return batch;
  enqueued_ += batch->frames.size();
  queue_.push_back({std::move(client), std::move(batch), {}});
  wake();
  return std::move(spare_);
}

void Dispatcher::enqueue(std::function<void()> task) {
  std::lock_guard const lock(mutex_);
  queue_.push_back({{}, {}, std::move(task)});
  wake();
}

void Dispatcher::wake() {
  has_work_.set(engine_);
  for (auto* event : std::exchange(idle_, {})) event->set(engine_);
}

void Dispatcher::cancel(Client const& client, CallId call) {
  std::lock_guard const lock(mutex_);
  Name const name{&client, call};
  auto const running = std::find_if(running_.begin(), running_.end(),
                                    [&](auto const& each) { return each.call == name; });
  if (running != running_.end()) return request_stop(running->stop);
  if (cancelled_.size() > enqueued_ - begun_ + kLateCancelsAtMost) return;
  if (cancelled_.insert(name).second) cancelled_in_order_.push_back({name, enqueued_});
  any_cancelled_.store(true);
}

void Dispatcher::stop() {
  std::lock_guard const lock(mutex_);
  stopping_.store(true);
  for (auto const& each : running_) request_stop(each.stop);
  wake();
}

void Dispatcher::finish_calls() {
  std::lock_guard const lock(mutex_);
  finishing_ = true;
  for (auto const& each : running_) request_stop(each.stop);
  wake();
}

/// Under mutex_, with an empty queue; `idle`: so many threads run no call. The last one to become
/// idle ends all.
bool Dispatcher::is_finished(std::size_t idle) {
  if (!finishing_ || idle < side_by_side_.load()) return false;
  stopping_.store(true);
  wake();
  return true;
}

/// Under mutex_. The stop callbacks are the user's code, and this may be a handler. While there is
/// no thread for them, no function that could have any has begun.
void Dispatcher::request_stop(std::stop_source stop) {
  if (!has_stopper_.load()) return static_cast<void>(stop.request_stop());
  stopper_.post([stop = std::move(stop)]() mutable { stop.request_stop(); });
}

/// What has begun is not dropped any more.
void Dispatcher::forget_late_cancels() {
  auto& late = cancelled_in_order_;
  for (; !late.empty() && late.front().moot_after <= begun_; late.pop_front()) {
    cancelled_.erase(late.front().call);
  }
  if (cancelled_.empty()) any_cancelled_.store(false);
}

// ---- running -----------------------------------------------------------------------------------

void Dispatcher::run() {
  prepare_for_forced_unwind();
  try {
    run_until_stopped();
  } catch (abi::__forced_unwind const&) {
    join_others();
    throw;
  }
  join_others();
}

class Dispatcher::SlotOfThread {
 public:
  explicit SlotOfThread(Dispatcher& dispatcher) : dispatcher_(dispatcher) {
    std::lock_guard const lock(dispatcher_.mutex_);
    at_ = dispatcher_.slots_.emplace(dispatcher_.slots_.end(), dispatcher_);
  }
  SlotOfThread(SlotOfThread const&) = delete;
  SlotOfThread& operator=(SlotOfThread const&) = delete;
  ~SlotOfThread() {
    std::lock_guard const lock(dispatcher_.mutex_);
    dispatcher_.slots_.erase(at_);
  }
  [[nodiscard]] CallSlot& slot() const noexcept { return *at_; }

 private:
  Dispatcher& dispatcher_;
  std::list<CallSlot>::iterator at_;
};

/// A function that ends its thread (pthread_exit) ends no more than its call: another thread goes
/// on in this one's stead.
void Dispatcher::run_until_stopped() {
  try {
    SlotOfThread const own(*this);
    run_until_stopped(own.slot());
  } catch (abi::__forced_unwind const&) {
    replace_this_thread();
    throw;
  }
}

void Dispatcher::run_until_stopped(CallSlot& slot) {
  run_one_at_a_time(slot);
  run_beside_others(slot);
}

void Dispatcher::replace_this_thread() noexcept {
  if (stopping_.load()) return;
  try {
    start_another();
  } catch (std::exception const& error) {
    if (background_failure_) {
      background_failure_({.text = std::string(kEndedItsThread) + ", and " + error.what(),
                           .function = "a function"});
    }
    stop();
  }
}

void Dispatcher::start_another() {
  std::lock_guard const lock(others_mutex_);
  others_.reserve(others_.size() + 1);
  others_.push_back(start_thread("a worker's calls", [this] { run_until_stopped(); }));
}

/// Those, too, that are started meanwhile.
void Dispatcher::join_others() {
  std::unique_lock lock(others_mutex_);
  while (!others_.empty()) {
    auto other = std::move(others_.back());
    others_.pop_back();
    lock.unlock();
    other.join();
    lock.lock();
  }
}

void Dispatcher::run_side_by_side(unsigned calls) {
  side_by_side_.store(calls);
  for (unsigned i = 1; i < calls; ++i) start_another();
}

/// A batch at a time, so that a call costs no more than it must.
void Dispatcher::run_one_at_a_time(CallSlot& slot) {
  Work work;
  Taken const taken{*this};
  while (!stopping_.load(std::memory_order_relaxed) && side_by_side_.load() == 1) {
    work = next_work(std::move(work));
    if (work.batch) run_batch(work, slot);
    if (work.task) run_task(work.task);
  }
}

void Dispatcher::run_task(std::function<void()> const& task) {
  task();
  engine_.birthplace().leave_if_elsewhere("the end of a session");
}

Dispatcher::Work Dispatcher::next_work(Work done) {
  {
    std::lock_guard const lock(mutex_);
    taken_ = nullptr;
    if (done.batch) spare_ = std::move(done.batch);
    bool const ends = queue_.empty() && side_by_side_.load() == 1 && is_finished(1);
    if (queue_.empty() && !ends && !stopping_.load()) has_work_.reset();
    forget_late_cancels();
  }
  engine_.wait(has_work_);
  std::lock_guard const lock(mutex_);
  if (queue_.empty()) return {};
  auto work = std::move(queue_.front());
  queue_.pop_front();
  taken_ = work.batch.get();
  taken_from_ = work.client.get();
  if (work.batch) begun_ += work.batch->frames.size() - work.begun;
  return work;
}

void Dispatcher::run_batch(Work const& work, CallSlot& slot) {
  auto const& frames = work.batch->frames;
  for (std::size_t i = work.begun; i < frames.size(); ++i) {
    if (stopping_.load(std::memory_order_relaxed)) break;
    if (side_by_side_.load(std::memory_order_relaxed) != 1) {
      put_back(work, i);
      break;
    }
    auto leave = leave_for(*work.client, frames[i].header);
    if (!leave) continue;
    try {
      run_call(*work.client, frames[i], std::move(*leave), i + 1 < frames.size(), reply_, &slot);
    } catch (abi::__forced_unwind const&) {
      if (i + 1 < frames.size()) put_back(work, i + 1);
      throw;
    }
  }
  work.client->connection->flush();
}

/// Others are to run the rest of the batch.
void Dispatcher::put_back(Work const& work, std::size_t begun) {
  std::lock_guard const lock(mutex_);
  taken_ = nullptr;
  begun_ -= work.batch->frames.size() - begun;
  queue_.push_front({work.client, work.batch, {}, begun});
  wake();
}

void Dispatcher::run_beside_others(CallSlot& slot) {
  Reply reply;
  while (!stopping_.load(std::memory_order_relaxed)) {
    auto work = next_call();
    if (!work) continue;
    if (work->task) {
      run_task(work->task);
    } else {
      run_call(*work->client, work->batch->frames[work->begun], std::move(work->leave), false,
               reply, &slot);
    }
  }
}

/// One call of the batch at the front; nothing where it was cancelled, and after a wait. Its leave
/// is given before the queue is left, where a cancel would find it neither waiting nor running.
std::optional<Dispatcher::Work> Dispatcher::next_call() {
  Event work_came;
  {
    std::lock_guard const lock(mutex_);
    if (!queue_.empty()) {
      auto& front = queue_.front();
      Work work = front;
      if (front.task || ++front.begun == front.batch->frames.size()) queue_.pop_front();
      std::optional<Leave> leave{Leave{}};
      if (work.batch) {
        ++begun_;
        auto const& call = work.batch->frames[work.begun].header;
        leave = leave_for({work.client.get(), call.call}, takes_stop_token(call.function));
      }
      forget_late_cancels();
      if (!leave) return std::nullopt;
      work.leave = std::move(*leave);
      return work;
    }
    if (stopping_.load() || is_finished(idle_.size() + 1)) return std::nullopt;
    idle_.push_back(&work_came);
  }
  engine_.wait(work_came);
  return std::nullopt;
}

// ---- one call ----------------------------------------------------------------------------------

void Dispatcher::run_call(Client& client, Frame const& frame, Leave leave, bool more_follows,
                          Reply& reply, CallSlot* slot) {
  Finisher const finisher{*this, leave.number};
  auto const& header = frame.header;
  void* object = nullptr;
  auto const* entry = find(header.function, object);
  if (entry == nullptr) {
    return refuse(client, header, nullptr,
                  "the worker has no function " +
                      std::to_string(static_cast<std::uint32_t>(header.function)));
  }
  CallSlot::Run const run(slot, client, header.call, *entry);
  CallContext context{engine_, client, {}, std::move(leave.stop)};
  if (((header.flags & frame_flags::kStreams) | entry->stream_flags) != 0 &&
      !open_streams(context, header, *entry)) {
    return;
  }
  auto const output = context.streams.out;
  try {
    if (entry->takes_stop_token) ensure_stopper();
  } catch (Error const& error) {
    return fail(client, header,
                {.kind = RemoteFailure::Kind::kRefused,
                 .text = error.reason(),
                 .function = readable_signature(entry->signature)});
  }
  try {
    entry->thunk(object, frame.bytes(), context, reply);
    engine_.birthplace().leave_if_elsewhere("a worker's function");
    if (output) output->function_returned();
    if ((header.flags & frame_flags::kOneWay) == 0) {
      wait_for_reader(client, client.connection->reply(header.call, header.function, reply.body,
                                                       std::move(reply.owner), more_follows));
    }
  } catch (detail::BadArguments const& error) {
    engine_.birthplace().leave_if_elsewhere("a worker's function");
    refuse(client, header, entry, error.what());
  } catch (ElementTooLarge const& error) {
    engine_.birthplace().leave_if_elsewhere("a worker's function");
    bool const is_its_own = output && error.stream == output.get();
    fail(client, header,
         is_its_own ? RemoteFailure{.kind = RemoteFailure::Kind::kRefused, .text = error.reason()}
                    : current_failure(*entry));
  } catch (abi::__forced_unwind const&) {
    engine_.birthplace().leave_if_elsewhere("a worker's function");
    fail(client, header,
         {.text = kEndedItsThread, .function = readable_signature(entry->signature)});
    reply = {};
    throw;
  } catch (...) {
    engine_.birthplace().leave_if_elsewhere("a worker's function");
    fail(client, header, current_failure(*entry));
  }
  reply.body.clear();
  reply.owner.reset();
}

/// Before the first function that may leave stop callbacks: where no thread can be started, that
/// call hears of it.
void Dispatcher::ensure_stopper() {
  if (has_stopper_.load(std::memory_order_relaxed)) return;
  std::lock_guard const lock(mutex_);
  stopper_.start();
  has_stopper_.store(true);
}

/// By the end of the worker, which closes the streams that a function waits in.
bool Dispatcher::was_interrupted() const {
  if (!stopping_.load()) return false;
  try {
    throw;
  } catch (Error const& error) {
    return error.kind() == ErrorKind::kCancelled;
  } catch (...) {
    return false;
  }
}

RemoteFailure Dispatcher::current_failure(FunctionEntry const& entry) const {
  if (was_interrupted()) {
    return {.kind = RemoteFailure::Kind::kEnds, .text = "the worker was shut down"};
  }
  auto text = describe_current_exception();
  return {.kind = RemoteFailure::Kind::kThrew,
          .exception_type = std::move(text.type),
          .text = std::move(text.what),
          .function = readable_signature(entry.signature)};
}

/// The worker waits for a caller that does not fetch its results, rather than fill its memory. Its
/// connection ends where it takes none of them for heartbeat_timeout.
void Dispatcher::wait_for_reader(Client& client, std::size_t unsent) {
  if (engine_.in_handler()) return;
  for (; unsent > kUnreadAtMost && !stopping_.load(); unsent = client.connection->unsent()) {
    static_cast<void>(client.connection->drain(Deadline::after(kLooksForTheEnd)));
  }
}

/// False where the call does not run: its caller has cancelled it, or made it without them.
bool Dispatcher::open_streams(CallContext& context, FrameHeader const& call,
                              FunctionEntry const& entry) {
  if ((call.flags & frame_flags::kStreams) != entry.stream_flags) {
    refuse(context.client, call, &entry, "the function has other streams than its call");
    return false;
  }
  context.streams = context.client.connection->streams().find({call.call, false});
  return context.streams.in != nullptr || context.streams.out != nullptr;
}

void Dispatcher::fail(Client& client, FrameHeader const& call, RemoteFailure failure) {
  if ((call.flags & frame_flags::kOneWay) != 0) {
    bool const is_the_end = failure.kind == RemoteFailure::Kind::kEnds;
    if (background_failure_ && !is_the_end) background_failure_(std::move(failure));
    return;
  }
  client.connection->fail_streams(call.call, failure);
  failure.function.clear();  // the caller knows it
  wait_for_reader(client, client.connection->reply_failure(call.call, call.function, failure));
}

/// The call is none of a function of this worker.
void Dispatcher::refuse(Client& client, FrameHeader const& call, FunctionEntry const* entry,
                        std::string reason) {
  RemoteFailure failure{.kind = RemoteFailure::Kind::kRefused, .text = std::move(reason)};
  if (entry != nullptr) failure.function = readable_signature(entry->signature);
  if ((call.flags & frame_flags::kOneWay) != 0 && bad_post_) {
    return bad_post_(client, std::move(failure));
  }
  fail(client, call, std::move(failure));
}

void Dispatcher::run_now(Client& client, Frame const& frame) {
  Reply reply;
  run_call(client, frame, {}, false, reply, nullptr);
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

bool Dispatcher::takes_stop_token(FunctionId function) const {
  void* object = nullptr;
  auto const* entry = find(function, object);
  return entry != nullptr && entry->takes_stop_token;
}

std::optional<Dispatcher::Leave> Dispatcher::leave_for(Client const& client,
                                                       FrameHeader const& call) {
  bool const listens = takes_stop_token(call.function);
  if (!listens && !any_cancelled_.load(std::memory_order_relaxed)) return Leave();
  std::lock_guard const lock(mutex_);
  return leave_for({&client, call.call}, listens);
}

/// Nothing where it was cancelled while it waited.
std::optional<Dispatcher::Leave> Dispatcher::leave_for(Name call, bool takes_stop_token) {
  if (cancelled_.erase(call) != 0) return std::nullopt;
  if (!takes_stop_token) return Leave();
  running_.push_back({++last_running_, call, {}});
  if (stopping_.load() || finishing_) request_stop(running_.back().stop);
  return Leave{running_.back().stop.get_token(), last_running_};
}

void Dispatcher::finish(std::uint64_t number) noexcept {
  if (number == 0) return;
  std::lock_guard const lock(mutex_);
  std::erase_if(running_, [&](auto const& each) { return each.number == number; });
}

}  // namespace cohort
