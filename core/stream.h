// Streams as users see them: Stream<T> is read, Writer<T> is written, one at each side of a call.
//
// The bytes on the way are bounded by Settings::stream_window: a writer waits for its reader. An
// end without an exception is the writer's orderly end; a function that throws, a worker that dies
// and a cancelled call end the stream with an Error, behind the elements that had arrived.
#pragma once

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <cxxabi.h>

#include "core/archive.h"
#include "core/next_iterator.h"
#include "core/scratch_message.h"
#include "core/stream_state.h"

namespace cohort {

namespace detail {

struct Ignore {
  void operator()(CloseReason) const noexcept {}
};
template <class F>
concept TakesError = std::invocable < F,
        CloseReason, std::optional<Error>
const& > ;
template <class F>
concept EndCallback = std::invocable<F, CloseReason> || TakesError<F>;

}  // namespace detail

/// The writing end of a stream. A function takes it by reference, and the stream ends when the
/// function returns; or by value, and it ends when the Writer is closed or destroyed. Any thread
/// may write, also several at once. Moves, does not copy. Without a call (see valid()) its
/// functions throw std::logic_error. Once the Cluster of its worker is gone, it may be destroyed
/// and nothing else.
template <class T>
class Writer {
 public:
  /// @cond of cohort itself
  Writer() = default;
  explicit Writer(std::shared_ptr<OutStream> out)
      : out_(std::move(out)), exceptions_(std::uncaught_exceptions()) {}
  Writer(Writer&&) noexcept = default;
  Writer& operator=(Writer&& other) noexcept {
    Writer moved(std::move(other));  // what was here ends now
    std::swap(out_, moved.out_);
    std::swap(exceptions_, moved.exceptions_);
    return *this;
  }
  /// @endcond
  /// Ends the stream; where an exception destroys it, with an Error at the reader: the one that the
  /// function throws, or one that says so.
  ~Writer() {
    if (!out_) return;
    if (std::uncaught_exceptions() <= exceptions_) {
      out_->finish();
    } else {
      out_->abandon();
    }
  }

  /// Waits while the reader is a window behind, until it has taken some or the stream ends. Copies
  /// the value. Throws Error once nobody reads any more: kCancelled where the reader closed the
  /// stream (as a function does that has returned or thrown: its result says what), the call was
  /// cancelled or the worker is to end; kDisconnected where the reader is gone; kRefused where the
  /// call was. Throws kRefused, too, for an element over max_message_size (as does
  /// the call of a function that lets that out), and what serializing it throws; then the stream
  /// goes on. std::logic_error after close(). Elements that follow each
  /// other quickly travel together; one alone leaves at once.
  void write(T const& value) {
    if constexpr (archive::kBitwise<T>) {
      OutStream::Turn turn(out());
      out_->begin_element(turn, sizeof(T));
      encode_all(out_->batch(), value);
      out_->end_element();
    } else {
      if (!write_small(value)) write_large(std::make_shared<T const>(value));
    }
  }
  /// The same; a large vector or string is sent from where it lies.
  void write(T&& value) requires(!archive::kBitwise<T>) {
    if (!write_small(value)) write_large(std::make_shared<T const>(std::move(value)));
  }
  /// Writes it where that needs no waiting. False where the reader is a window behind, or the
  /// stream has ended (see reason()). Throws what serializing it throws, and kRefused for an
  /// element over max_message_size.
  bool try_write(T const& value) {
    detail::ScratchMessage scratch;
    encode_all(scratch.get(), value);
    OutStream::Turn turn(out());
    if (!out_->try_begin_element(turn, scratch.get().size())) return false;
    append_to_batch(scratch.get());
    return true;
  }
  /// Sends what waits for company, as far as the window allows, and does not wait. Hardly ever
  /// needed: it goes out within two ms anyway.
  void flush() { out().flush(); }
  /// Ends the stream, behind what was written, and does not wait for the reader. Idempotent.
  void close() noexcept {
    if (out_) out_->finish();
  }
  /// kOpen while writing makes sense; else why it does not.
  [[nodiscard]] CloseReason reason() const { return out().reason(); }
  /// False for a default-constructed or moved-from Writer.
  [[nodiscard]] bool valid() const noexcept { return out_ != nullptr; }

 private:
  OutStream& out() const {
    if (!out_) throw std::logic_error("cohort: this Writer belongs to no call");
    return *out_;
  }
  /// False where it is better sent from where it lies.
  bool write_small(T const& value) {
    detail::ScratchMessage scratch;
    encode_all(scratch.get(), value);
    if (scratch.get().borrows()) return false;
    OutStream::Turn turn(out());
    out_->begin_element(turn, scratch.get().size());
    append_to_batch(scratch.get());
    return true;
  }
  /// Under the stream's lock. Borrowed blocks are copied.
  void append_to_batch(Message const& element) {
    element.for_each_part([this](std::span<std::byte const> part) {
      out_->batch().append(part.data(), part.size());
    });
    out_->end_element();
  }
  void write_large(std::shared_ptr<T const> value) {
    detail::ScratchMessage scratch;
    encode_all(scratch.get(), *value);
    out().send_alone(scratch.get(), std::move(value));
  }

  std::shared_ptr<OutStream> out_;
  int exceptions_ = 0;
};

/// What a stream that is fed to a callback goes on as. When it goes, the stream is closed, and no
/// callback runs any more (like std::jthread); detach() leaves the callbacks to themselves. Belongs
/// to one thread at a time, save for close(). It must go before the Cluster of its worker.
class [[nodiscard]] Subscription {
 public:
  /// Shared with whoever feeds the callback.
  struct State {
    Engine& engine;
    std::shared_ptr<InStream> in;
    Event done{};
    std::atomic<bool> enough{false};   // no more elements
    std::atomic<bool> dropped{false};  // no more callbacks at all
    std::exception_ptr thrown{};       // by a callback; good once ended
    enum class Fate : std::uint8_t { kHeld, kDetached, kEnded };
    std::atomic<Fate> fate{Fate::kHeld};  // whichever of detaching and ending comes second reports
    bool observed = false;                // wait() has thrown it, or had nothing to throw
    bool tells_error = false;             // on_end takes it

    /// What ended the stream, where that is an Error.
    [[nodiscard]] std::optional<Error> error() const;
  };

  /// @cond of cohort itself
  Subscription() = default;
  explicit Subscription(std::shared_ptr<State> state) : state_(std::move(state)) {}
  Subscription(Subscription&&) noexcept = default;
  Subscription& operator=(Subscription&& other) noexcept {
    Subscription moved(std::move(other));
    state_.swap(moved.state_);
    return *this;
  }
  /// @endcond
  /// Closes the stream, and waits until its last callback has run. Where a callback destroys it,
  /// its own or another one, no further callback of it runs, on_end included. What a callback threw
  /// and no wait() has thrown is told as for a detached one.
  ~Subscription();

  /// No more elements, please; on_end follows, with kClosedHere. Any thread, callbacks too.
  void close() const noexcept {
    if (!state_) return;
    state_->enough.store(true);
    state_->in->close();
  }
  /// The callbacks go on until the stream's end, and nobody can wait for that any more. What they
  /// refer to must live until then: on_end may run as late as while the Cluster is destroyed.
  void detach() &&;
  /// Waits for the end, on_end included, and says how it came. Throws what a callback threw, or the
  /// Error that ended the stream (see Stream::next()); std::logic_error without a stream, and in
  /// any callback before the end, which cannot come meanwhile.
  CloseReason wait() const;
  /// Whether the end came in that time. Throws std::logic_error as wait() does, and nothing else.
  [[nodiscard]] bool wait_for(Clock::duration duration) const;
  /// The Error that ended the stream, once it has ended with one.
  [[nodiscard]] std::optional<Error> error() const { return state().error(); }
  /// False for a default-constructed, moved-from or detached one.
  [[nodiscard]] bool valid() const noexcept { return state_ != nullptr; }

 private:
  State& state() const;

  std::shared_ptr<State> state_;
};

/// The reading end of a stream. Belongs to one thread at a time. Moves, does not copy; when it
/// goes, the writer is told that nobody reads. Without a call (see valid()) its functions throw
/// std::logic_error. Once the Cluster of its worker is gone, it may be destroyed and nothing else.
template <class T>
class Stream {
 public:
  /// @cond of cohort itself
  Stream() = default;
  Stream(Engine& engine, std::shared_ptr<InStream> in) : engine_(&engine), in_(std::move(in)) {}
  Stream(Stream&& other) noexcept { swap(other); }
  Stream& operator=(Stream&& other) noexcept {
    Stream moved(std::move(other));  // what was here is closed now
    swap(moved);
    return *this;
  }
  /// @endcond
  ~Stream() { close(); }

  /// Waits for the next element, or the end of the stream, of its call or of the connection.
  /// Nothing after an orderly end, or after close(). Behind the elements that had arrived, throws
  /// the Error that ended the stream: kFailed with what the writing function threw, kDisconnected,
  /// kCancelled where the call was cancelled or this worker is to end, kRefused where the call was
  /// (see Future::get()). Throws kProtocol for an element that does not decode, whatever its
  /// `serialize` throws, and kRefused where there is no memory for it, and closes the stream.
  std::optional<T> next() {
    while (!has_more()) {
      position_ = 0;
      batch_.clear();
      if (!in().fetch(batch_, Deadline::never())) {
        if (auto const error = in_->error(); error && in_->reason() == CloseReason::kFailed) {
          throw Error(*error);
        }
        return std::nullopt;
      }
    }
    return take();
  }
  /// Whether next() will not wait, once that is so or the duration has passed.
  [[nodiscard]] bool wait_for(Clock::duration duration) {
    return has_more() || in().wait(Deadline::after(duration));
  }

  /// What begin() gives.
  using Iterator = NextIterator<Stream>;
  /// `for (T& element : stream)`; each step waits and throws as next() does.
  Iterator begin() { return Iterator(*this); }
  /// After the last element.
  std::default_sentinel_t end() const noexcept { return {}; }

  /// No more of it, please: the writer's next write throws. Does not wait. Idempotent.
  void close() noexcept {
    bool const has_more = this->has_more();
    batch_.clear();
    position_ = 0;
    if (in_) in_->close(has_more);
  }
  /// Whether elements were fetched that next() has not given yet.
  [[nodiscard]] bool has_more() const noexcept { return position_ != batch_.size(); }
  /// kOpen while there is, or may come, something to read; else how the stream ended.
  [[nodiscard]] CloseReason reason() const {
    return has_more() ? CloseReason::kOpen : in().reason();
  }
  /// False for a default-constructed or moved-from Stream.
  [[nodiscard]] bool valid() const noexcept { return in_ != nullptr; }

  /// Gives every element to `on_element` as it comes, and then its end to `on_end`. All callbacks
  /// of a Cluster, and all of a worker's process, run on one thread, one at a time. A callback may
  /// call functions, spawn, and wait for them; the others wait meanwhile, and so in the end do the
  /// writers of their streams. It must not wait for what another callback is to do.
  /// Where on_element returns false, the stream is closed. Where a callback throws, too, and wait()
  /// throws that; of a detached one, a worker dies (on_failure hears), and a master, or a worker
  /// that serve() made, logs it. Throws Error (kRefused) where no thread can be started for them.
  /// An `on_end(CloseReason, std::optional<Error> const&)` is given the Error that ended the
  /// stream, too. Without one, that Error of a detached subscription is a line in the log: a
  /// warning where the function threw, else of level info.
  template <std::invocable<T> OnElement, detail::EndCallback OnEnd = detail::Ignore>
  Subscription subscribe(OnElement on_element, OnEnd on_end = {}) &&;

 private:
  InStream& in() const {
    if (!in_) throw std::logic_error("cohort: this Stream belongs to no call");
    return *in_;
  }
  T take() {
    try {
      std::span<std::byte const> rest(batch_.data() + position_, batch_.size() - position_);
      T element = decode_front<T>(rest);
      position_ = batch_.size() - rest.size();
      return element;
    } catch (DecodeError const& error) {
      close();
      throw in_->broken(ErrorKind::kProtocol, error.what());
    } catch (std::bad_alloc const&) {
      auto const bytes = batch_.size() - position_;
      close();
      throw in_->broken(ErrorKind::kRefused, no_memory_for("a stream's elements", bytes));
    }
  }
  void swap(Stream& other) noexcept {
    std::swap(engine_, other.engine_);
    std::swap(in_, other.in_);
    batch_.swap(other.batch_);
    std::swap(position_, other.position_);
  }

  Engine* engine_ = nullptr;
  std::shared_ptr<InStream> in_;
  ByteBuffer batch_;
  std::size_t position_ = 0;  // in batch_
};

/// The first value and the updates that follow it. A function that returns it takes a `Writer<U>`
/// by value, which it keeps, and returns `{first, {}}`; its caller gets both.
template <class S, class U>
struct State {
  S initial;            ///< the value at first
  Stream<U> updates{};  ///< as they come; at the worker nothing
};

namespace detail {

/// Feeds a stream to callbacks. Runs on the callback thread, whenever there is something.
template <class T, class OnElement, class OnEnd>
struct StreamConsumer {
  Stream<T> stream;
  std::optional<OnElement> on_element;
  std::optional<OnEnd> on_end;

  void take_all(Subscription::State& state);

 private:
  void end(Subscription::State& state);
  /// A callback ended the thread: whoever waits hears of it as of an exception.
  static void note_end_of_thread(Subscription::State& state) {
    state.thrown = std::make_exception_ptr(std::runtime_error(kEndedItsThread));
    state.enough.store(true);
  }
  /// Nothing at the stream's end, whose Error it keeps itself.
  std::optional<T> next(Subscription::State& state) {
    try {
      return stream.next();
    } catch (abi::__forced_unwind const&) {
      throw;
    } catch (...) {
      if (stream.reason() != CloseReason::kFailed) state.thrown = std::current_exception();
      return std::nullopt;
    }
  }
  bool give(T&& element) {
    if constexpr (std::is_void_v<std::invoke_result_t<OnElement&, T>>) {
      (*on_element)(std::move(element));
      return true;
    } else {
      return static_cast<bool>((*on_element)(std::move(element)));
    }
  }
};

/// Ends a subscription: releases what it holds, and tells of an exception that nobody waits for.
void end_subscription(Subscription::State& state);
/// What nobody has heard of one that has ended, and was detached: what a callback threw, else the
/// Error of the stream.
struct Unheard {
  explicit Unheard(Subscription::State const& state);
  void report(Engine& engine) const noexcept;

  std::exception_ptr thrown{};
  std::optional<Error> error{};
};

}  // namespace detail

/// @cond
template <class T>
template <std::invocable<T> OnElement, detail::EndCallback OnEnd>
Subscription Stream<T>::subscribe(OnElement on_element, OnEnd on_end) && {
  static_cast<void>(in());  // throws where there is none
  auto state =
      std::shared_ptr<Subscription::State>(new Subscription::State{.engine = *engine_, .in = in_});
  engine_->callbacks().start();  // what arrives finds it there
  state->tells_error = detail::TakesError<OnEnd>;
  bool const has_more = this->has_more();
  using Consumer = detail::StreamConsumer<T, OnElement, OnEnd>;
  auto consumer = std::shared_ptr<Consumer>(
      new Consumer{std::move(*this), std::move(on_element), std::move(on_end)});
  state->in->feed([state, consumer] { consumer->take_all(*state); }, has_more);
  return Subscription(std::move(state));
}

template <class T, class OnElement, class OnEnd>
void detail::StreamConsumer<T, OnElement, OnEnd>::take_all(Subscription::State& state) {
  if (state.done.ready()) return;
  try {
    while (!state.enough.load()) {
      auto element = next(state);
      if (!element) break;
      if (!give(std::move(*element))) state.enough.store(true);
      state.engine.birthplace().leave_if_elsewhere("a callback");
    }
  } catch (abi::__forced_unwind const&) {
    note_end_of_thread(state);
    end(state);
    throw;
  } catch (...) {
    state.engine.birthplace().leave_if_elsewhere("a callback");
    state.thrown = std::current_exception();
    state.enough.store(true);
  }
  end(state);
}

/// Where that has come.
template <class T, class OnElement, class OnEnd>
void detail::StreamConsumer<T, OnElement, OnEnd>::end(Subscription::State& state) {
  if (state.enough.load()) stream.close();
  auto const reason = stream.reason();
  if (reason == CloseReason::kOpen) return;
  try {
    if (!state.dropped.load()) {
      if constexpr (TakesError<OnEnd>) {
        (*on_end)(reason, state.error());
      } else {
        (*on_end)(reason);
      }
    }
  } catch (abi::__forced_unwind const&) {
    note_end_of_thread(state);
    end_subscription(state);
    throw;
  } catch (...) {
    if (!state.thrown) state.thrown = std::current_exception();
  }
  state.engine.birthplace().leave_if_elsewhere("a callback");
  on_element.reset();  // what the callbacks hold goes with them
  on_end.reset();
  end_subscription(state);
}
/// @endcond

}  // namespace cohort
