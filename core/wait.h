// A wait that has lasted: what it is for, which others may ask, and when the log is told of it.
//
// A wait of a worker's function and the call that it waits for make one link of a chain; the report
// on that call brings the links that follow, as far as the worker knew them. So each wait learns by
// and by what the whole chain waits for. Where it comes back to the function that waits, nothing of
// it can ever end: the wait that began last fails its call.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "core/call_slot.h"
#include "core/inquiry.h"
#include "core/long_wait.h"

namespace cohort {

class Wait : public LongWait {
 public:
  // What others may look at, in WaitList::for_each.

  /// Of the thread that waits, where a worker's function runs there.
  [[nodiscard]] CallSlot const* slot() const noexcept { return slot_; }
  [[nodiscard]] Clock::time_point since() const noexcept { return begun(); }
  /// Puts what this waits for into the report on the call that waits.
  void describe(RunningCall& call, Clock::time_point now) const;

 protected:
  Wait(Engine& engine, Deadline deadline) noexcept;
  ~Wait() override;

  /// The calls that it waits for, or the first of them, of so many.
  struct Targets {
    std::vector<Inquiry::Target> calls;
    std::size_t count = 0;
  };
  [[nodiscard]] virtual Targets targets() const = 0;
  /// Fails the call that it waits for. False where that cannot be done.
  virtual bool fail(Error) { return false; }

 private:
  struct Details;

  void look() noexcept override;
  void begin();
  void ask();
  void think();
  [[nodiscard]] std::vector<WaitLink> chain(Clock::time_point now) const;
  [[nodiscard]] std::size_t circle_in(std::vector<WaitLink> const& chain) const;
  [[nodiscard]] bool is_certain(std::vector<WaitLink> const& circle, Clock::time_point now);
  [[nodiscard]] bool is_youngest(std::vector<WaitLink> const& circle, Clock::time_point now) const;
  void tell(Clock::time_point now);
  [[nodiscard]] std::string in_words(Clock::time_point now) const;

  Engine& engine_;
  bool const has_deadline_;
  CallSlot const* slot_ = nullptr;
  std::unique_ptr<Details> details_;  // once it has lasted
};

/// For the answer of a call.
class AnswerWait final : public Wait {
 public:
  AnswerWait(CallState const& call, Deadline deadline) noexcept
      : Wait(call.engine, deadline), call_(call) {}

 private:
  Targets targets() const override;
  bool fail(Error why) override;

  CallState const& call_;
};

/// For one of several.
class AnyAnswerWait final : public Wait {
 public:
  AnyAnswerWait(Engine& engine, CompletionQueue const& queue, Deadline deadline) noexcept
      : Wait(engine, deadline), queue_(queue) {}

 private:
  Targets targets() const override;

  CompletionQueue const& queue_;
};

/// At an end of a stream.
class StreamWait final : public Wait {
 public:
  StreamWait(Engine& engine, WaitFor what, std::weak_ptr<Connection> const& connection,
             StreamKey key, std::string_view function, Deadline deadline) noexcept
      : Wait(engine, deadline),
        what_(what),
        connection_(connection),
        key_(key),
        function_(function) {}

 private:
  Targets targets() const override;

  WaitFor const what_;
  std::weak_ptr<Connection> const& connection_;
  StreamKey const key_;
  std::string_view const function_;
};

/// What is known of the call, in words; waits a second at most for its worker to say.
[[nodiscard]] std::string explain(CallState const& call);

}  // namespace cohort
