// The worker's side of calls: a queue of what arrived over all connections, and the threads that
// run it, one call at a time unless the worker's type says otherwise. The queue is filled under the
// I/O lock.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "core/call_report.h"
#include "core/call_slot.h"
#include "core/connection.h"
#include "core/serial_thread.h"
#include "core/thunk.h"

namespace cohort {

class Dispatcher {
 public:
  explicit Dispatcher(Engine& engine) : engine_(engine) {}
  Dispatcher(Dispatcher const&) = delete;
  Dispatcher& operator=(Dispatcher const&) = delete;
  ~Dispatcher() { join_others(); }

  /// The functions that calls name by id, the object that they run on, and how many calls run side
  /// by side. Set before such a call is run.
  void serve(void* object, std::span<FunctionEntry const> functions);
  /// Cohort's own functions, by id from kFirstBuiltinFunction up, and what they run on.
  void serve_builtin(void* object, std::span<FunctionEntry const> functions) {
    builtin_object_ = object;
    builtins_ = functions;
  }

  /// Hears of calls without an answer that threw. On the thread that ran the call.
  void on_background_failure(std::function<void(RemoteFailure)> handler) {
    background_failure_ = std::move(handler);
  }
  /// Hears of calls without an answer that could not be run: no such function, or arguments and
  /// streams that are none of it. Likewise; without a handler, as on_background_failure.
  void on_bad_post(std::function<void(Client&, RemoteFailure)> handler) {
    bad_post_ = std::move(handler);
  }

  /// Whose calls it runs. Before the first one.
  void set_id(WorkerId id) { id_ = std::move(id); }
  [[nodiscard]] WorkerId const& id() const noexcept { return id_; }

  /// Any thread: where a call of the client stands, and what holds it up. `name_of` says who
  /// another client is, which may be gone.
  [[nodiscard]] CallReport report(Client const& client, CallId call,
                                  std::function<std::string(Client const*)> const& name_of) const;
  /// Whether that call of a process of this machine cannot end before the one of the slot, which is
  /// this thread's: it is that call, or waits behind it, and no other thread would run it.
  [[nodiscard]] bool waits_for(CallSlot const& slot, int pid, CallId call) const;

  /// Under the I/O lock: takes calls that arrived; returns a batch to use again, where it has one.
  std::shared_ptr<Batch> enqueue(std::shared_ptr<Client> client, std::shared_ptr<Batch> batch);
  /// Any thread: runs it in its turn, as a call that nobody answers. It must not throw.
  void enqueue(std::function<void()> task);
  /// Any thread: a queued call is dropped, a running one sees its stop token.
  void cancel(Client const& client, CallId call);
  /// Any thread: run() returns after the calls that run, whose stop tokens are triggered.
  void stop();
  /// Any thread: run() returns once all that was given to this before has run. The stop tokens of
  /// its functions are triggered; calls that come later are dropped.
  void finish_calls();

  /// Runs what arrives until stop(), on this thread and, after run_side_by_side(), on others.
  void run();
  /// Any thread, a handler too: runs a call of one of cohort's own functions at once. In a handler
  /// nobody waits for a client that does not read its answers.
  void run_now(Client& client, Frame const& frame);
  /// From a call or task: from now on so many calls run at a time.
  void run_side_by_side(unsigned calls);

 private:
  using Name = std::pair<Client const*, CallId>;
  /// A call's leave to run: it was not cancelled while it waited.
  struct Leave {
    std::stop_token stop{};
    std::uint64_t number = 0;  // of its entry in running_, where it has one
  };
  struct Work {
    std::shared_ptr<Client> client;
    std::shared_ptr<Batch> batch;
    std::function<void()> task;
    std::size_t begun = 0;  // of the batch's calls, where they run side by side
    Leave leave{};          // likewise, of the next one
  };
  struct Cancelled {
    Name call;
    std::uint64_t moot_after;  // so many calls were begun: this one was
  };
  struct Running {
    std::uint64_t number;  // calls without an answer have no name of their own
    Name call;
    std::stop_source stop;
  };

  /// However the call ends, it is no longer one that runs.
  struct Finisher {
    Dispatcher& dispatcher;
    std::uint64_t number;
    ~Finisher() { dispatcher.finish(number); }
  };

  /// A thread that runs calls: its slot is in the list as long as it does.
  class SlotOfThread;
  /// What the thread that runs one batch after the other has taken from the queue: as long as it
  /// has it.
  struct Taken {
    Dispatcher& dispatcher;
    ~Taken() { dispatcher.forget_taken(); }
  };

  void run_until_stopped();
  void run_until_stopped(CallSlot& slot);
  void replace_this_thread() noexcept;
  void start_another();
  void join_others();
  void run_one_at_a_time(CallSlot& slot);
  void run_beside_others(CallSlot& slot);
  [[nodiscard]] Work next_work(Work done);
  [[nodiscard]] std::optional<Work> next_call();
  void wake();
  void put_back(Work const& work, std::size_t begun);
  void forget_taken() noexcept;
  void forget_late_cancels();
  void run_batch(Work const& work, CallSlot& slot);
  void run_task(std::function<void()> const& task);
  void run_call(Client& client, Frame const& frame, Leave leave, bool more_follows, Reply& reply,
                CallSlot* slot);
  [[nodiscard]] bool open_streams(CallContext& context, FrameHeader const& call,
                                  FunctionEntry const& entry);
  void fail(Client& client, FrameHeader const& call, RemoteFailure failure);
  void refuse(Client& client, FrameHeader const& call, FunctionEntry const* entry,
              std::string reason);
  void wait_for_reader(Client& client, std::size_t unsent);
  // In a catch block.
  [[nodiscard]] RemoteFailure current_failure(FunctionEntry const& entry) const;
  [[nodiscard]] bool was_interrupted() const;
  [[nodiscard]] FunctionEntry const* find(FunctionId function, void*& object) const;
  [[nodiscard]] std::optional<Leave> leave_for(Client const& client, FrameHeader const& call);
  [[nodiscard]] std::optional<Leave> leave_for(Name call, bool takes_stop_token);  // under mutex_
  [[nodiscard]] bool takes_stop_token(FunctionId function) const;
  void finish(std::uint64_t number) noexcept;
  void request_stop(std::stop_source stop);
  void ensure_stopper();
  [[nodiscard]] bool is_finished(std::size_t idle);
  // Under mutex_.
  template <class IsIt>
  [[nodiscard]] std::optional<std::uint64_t> place_in_queue(IsIt const& is_it) const;
  [[nodiscard]] std::size_t first_that_waits(Batch const& taken) const;
  [[nodiscard]] RunningCall describe(CallSlot const& slot, CallSlot::Content const& content) const;

  Engine& engine_;
  WorkerId id_;
  void* object_ = nullptr;
  std::span<FunctionEntry const> functions_;
  void* builtin_object_ = nullptr;
  std::span<FunctionEntry const> builtins_;

  std::function<void(RemoteFailure)> background_failure_;
  std::function<void(Client&, RemoteFailure)> bad_post_;

  std::atomic<bool> stopping_{false};
  std::atomic<bool> any_cancelled_{false};
  std::atomic<unsigned> side_by_side_{1};
  Event has_work_;  // while calls run one at a time
  Reply reply_;     // likewise: its memory is used again

  mutable std::mutex mutex_;
  std::deque<Work> queue_;
  // By the thread that runs one call at a time.
  Batch const* taken_ = nullptr;
  Client const* taken_from_ = nullptr;
  std::list<CallSlot> slots_;
  bool finishing_ = false;  // no more calls
  std::shared_ptr<Batch> spare_;
  std::uint64_t enqueued_ = 0;  // calls so far
  std::uint64_t begun_ = 0;     // of them
  std::set<Name> cancelled_;
  std::deque<Cancelled> cancelled_in_order_;
  std::vector<Running> running_;  // calls that take a stop token
  std::uint64_t last_running_ = 0;
  std::vector<Event*> idle_;  // of threads that wait for work, while calls run side by side
  std::atomic<bool> has_stopper_{false};
  SerialThread stopper_{"stop callbacks"};  // which are the user's code
  std::mutex others_mutex_;
  std::vector<std::thread> others_;  // started by this one, or in the stead of one that ended
};

}  // namespace cohort
