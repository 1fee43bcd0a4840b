// The typed handle on one worker: what all of launch/spawn.h gives.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/adapt.h"
#include "core/call.h"
#include "core/function.h"
#include "core/future.h"
#include "launch/log.h"
#include "launch/remote_client.h"
#include "launch/server.h"
#include "launch/worker_handle.h"

namespace cohort {

template <class W>
class Worker;

namespace detail {

template <auto Member, class... Args>
auto call_builtin(std::shared_ptr<Connection> const& connection, Args&&... args) {
  return start_call<Member>(connection, kBuiltin<Member>, std::forward<Args>(args)...);
}
/// What a handle does when it goes: in a forked child, nothing.
void let_go(std::shared_ptr<WorkerHandle> remote);
[[nodiscard]] WorkerAddress address_of(std::shared_ptr<Connection> const& connection);
/// Calls the built-in function that opens a session, and waits.
void open_session(std::shared_ptr<Connection> const& connection, Message& init);
template <class Init>
void open_session(std::shared_ptr<Connection> const& connection, Init const& init) {
  Message message;
  if constexpr (!std::is_same_v<Init, NoInit>) encode(message, init);
  open_session(connection, message);
}

}  // namespace detail

/// Where a worker is to be found: copy it, send it as an argument, and connect() with it, in any
/// process of the session: its master, and its workers at any depth. It keeps nothing alive. Any
/// archive of Boost takes it, text and XML, too.
template <class W>
struct WorkerRef {
  WorkerAddress address{};  ///< for connect()

  /// @cond
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& make_nvp("address", address);
  }
  /// @endcond
};

/// A handle on a running worker. One that spawn or serve() gave ends the worker when it goes (see
/// ShutdownOn), behind what was sent over it before. A call that somebody waits for, who has its
/// future or an end of its stream, is run and answered, however long it takes. Then comes what
/// nobody waits for: it is run too, its stop token is triggered, and after shutdown_timeout the
/// worker ends as by shut_down(). The end of the Cluster cuts all of this short. A handle that
/// connect() gave closes its connection, likewise behind what was sent and the answers that are
/// waited for. No handle waits for any of it, save that of serve() for what nobody waits for,
/// unless it goes in a callback or in on_failure. Any thread may call, callbacks and on_failure
/// too; the handle moves, and does not copy. One that was moved from may be destroyed or assigned
/// to; all else throws std::logic_error.
///
/// Calls over one connection begin in their order. Those that wait their turn do so at the worker,
/// without a bound: bound them by waiting for futures.
template <class W>
class [[nodiscard]] Worker {
 public:
  /// @cond of cohort itself
  explicit Worker(std::shared_ptr<WorkerHandle> remote) : remote_(std::move(remote)) {}
  Worker(Worker&&) noexcept = default;
  Worker& operator=(Worker&& other) noexcept {
    Worker moved(std::move(other));  // whom this handle had is let go now
    std::swap(remote_, moved.remote_);
    return *this;
  }
  /// @endcond
  ~Worker() {
    if (remote_) detail::let_go(std::move(remote_));
  }

  /// Starts a call of a listed function: `worker.call(fn<&Summer::sum>, xs)`. The future throws
  /// Error where the function threw, the worker died, or the message is too large (Future::get());
  /// call() itself only what converting and serializing the arguments throws.
  /// Once it has returned, the arguments may be changed and destroyed. Vectors and strings of 32
  /// KiB and more are not copied: call() returns when their bytes were handed to the kernel, or the
  /// connection is lost. It returns at once where every argument is an rvalue, a number or
  /// needs a conversion: pass std::move(x).
  template <auto Member, class... Args>
  Future<ResultOf<Member>> call(Fn<Member>, Args&&... args) const {
    static_assert(!TraitsOf<Member>::streams,
                  "this function takes a Writer or a Stream: use open(), stream() or state()");
    if constexpr (CheckedArguments<Member, Args...>::ok &&
                  CheckedFunction<W, Member>::index != detail::kNotListed) {
      return detail::start_call<Member>(remote().connection(), CheckedFunction<W, Member>::id,
                                        std::forward<Args>(args)...);
    } else {
      return Future<ResultOf<Member>>();
    }
  }

  /// The same through an adapter (core/adapt.h).
  template <auto Member, class ToArguments, class FromResult, class... Args>
  auto call(Adapted<Member, ToArguments, FromResult> const& adapted, Args&&... args) const {
    auto converted =
        detail::as_tuple(std::invoke(adapted.to_arguments, std::forward<Args>(args)...));
    return std::apply(
        [&](auto&&... each) {
          return AdaptedFuture<ResultOf<Member>, FromResult>(call(fn<Member>, std::move(each)...),
                                                             adapted.from_result);
        },
        std::move(converted));
  }

  /// post() through an adapter that leaves the result alone.
  template <auto Member, class To, class... Args>
  void post(Adapted<Member, To, std::identity> const& adapted, Args&&... args) const {
    auto const start = [&](auto&&... each) { post(fn<Member>, std::move(each)...); };
    std::apply(start,
               detail::as_tuple(std::invoke(adapted.to_arguments, std::forward<Args>(args)...)));
  }
  /// open() likewise. The elements of its streams are not converted.
  template <auto Member, class To, class... Args>
  auto open(Adapted<Member, To, std::identity> const& adapted, Args&&... args) const {
    auto const start = [&](auto&&... each) { return open(fn<Member>, std::move(each)...); };
    return std::apply(
        start, detail::as_tuple(std::invoke(adapted.to_arguments, std::forward<Args>(args)...)));
  }
  /// stream() likewise.
  template <auto Member, class To, class... Args>
  auto stream(Adapted<Member, To, std::identity> const& adapted, Args&&... args) const {
    auto const start = [&](auto&&... each) { return stream(fn<Member>, std::move(each)...); };
    return std::apply(
        start, detail::as_tuple(std::invoke(adapted.to_arguments, std::forward<Args>(args)...)));
  }
  /// state() likewise.
  template <auto Member, class To, class... Args>
  auto state(Adapted<Member, To, std::identity> const& adapted, Args&&... args) const {
    auto const start = [&](auto&&... each) { return state(fn<Member>, std::move(each)...); };
    return std::apply(
        start, detail::as_tuple(std::invoke(adapted.to_arguments, std::forward<Args>(args)...)));
  }

  /// Starts a call that nobody answers: returns once it is on its way, as call() does. An exception
  /// in it is told to on_failure, and ends the worker. Throws Error where it cannot be sent:
  /// kDisconnected, kRefused over max_message_size. One that is on its way when the worker dies is
  /// lost without a word to its caller.
  /// Nothing bounds how many wait at the worker, in its memory. Make a call() now and then and wait
  /// for it: a worker that runs one call at a time has then done with all that was posted before.
  /// Or write to a stream, which has a window.
  template <auto Member, class... Args>
  void post(Fn<Member>, Args&&... args) const {
    static_assert(!TraitsOf<Member>::streams, "a function that streams cannot be posted");
    if constexpr (CheckedArguments<Member, Args...>::ok &&
                  CheckedFunction<W, Member>::index != detail::kNotListed) {
      detail::post_call<Member>(remote().connection(), CheckedFunction<W, Member>::id,
                                std::forward<Args>(args)...);
    }
  }

  /// Starts a call of a function that takes a Writer or a Stream: gives its result, and the other
  /// ends of its streams (see OpenCall), which throw where the call cannot be sent. Waits and
  /// throws as call() does.
  template <auto Member, class... Args>
  OpenCallOf<Member> open(Fn<Member>, Args&&... args) const {
    static_assert(TraitsOf<Member>::streams,
                  "this function takes neither a Writer nor a Stream: use call()");
    if constexpr (CheckedArguments<Member, Args...>::ok &&
                  CheckedFunction<W, Member>::index != detail::kNotListed) {
      return detail::open_call<Member>(remote().connection(), CheckedFunction<W, Member>::id,
                                       std::forward<Args>(args)...);
    } else {
      return {};
    }
  }

  /// What the function writes: `for (int i : worker.stream(fn<&W::count>, 3))`. For a function that
  /// takes a Writer and returns nothing; what it throws ends the stream. As open().
  template <auto Member, class... Args>
  auto stream(Fn<Member> function, Args&&... args) const {
    using Traits = TraitsOf<Member>;
    static_assert(Traits::writes && !Traits::reads && std::is_void_v<typename Traits::Result>,
                  "stream() is for functions that take a Writer, no Stream, and return void: use "
                  "open()");
    return open(function, std::forward<Args>(args)...).output;
  }

  /// The first value and the updates that follow: waits for the first, and throws its error, as
  /// Future::get() does.
  template <auto Member, class... Args>
  auto state(Fn<Member> function, Args&&... args) const {
    using Returned = std::decay_t<typename TraitsOf<Member>::Result>;
    using Update = typename detail::StateParts<Returned>::update;
    static_assert(!std::is_void_v<Update>, "state() is for functions that return State<S, U>");
    auto opened = open(function, std::forward<Args>(args)...);
    auto initial = opened.result.get();
    return Returned{std::move(initial), std::move(opened.output)};
  }

  /// @cond
  // What names no function: the compiler says so, and what to write.
  template <detail::NotAFunction What, class... Args>
  typename detail::NamedFunction<What>::Result call(What const&, Args&&...) const;
  template <detail::NotAFunction What, class... Args>
  typename detail::NamedFunction<What>::Result post(What const&, Args&&...) const;
  template <detail::NotAFunction What, class... Args>
  typename detail::NamedFunction<What>::Result open(What const&, Args&&...) const;
  template <detail::NotAFunction What, class... Args>
  typename detail::NamedFunction<What>::Result stream(What const&, Args&&...) const;
  template <detail::NotAFunction What, class... Args>
  typename detail::NamedFunction<What>::Result state(What const&, Args&&...) const;
  /// @endcond

  /// Opens this connection's Session with its Init, for worker types whose Session takes one; a
  /// later call opens a new one instead. Waits for its turn among the worker's calls. Throws Error:
  /// kFailed with what its constructor threw, and then the old one stays; kDisconnected, kRefused.
  template <class Init>
  void open_session(Init&& init) const {
    using Wanted = typename detail::InitOf<typename W::Session>::type;
    static_assert(std::is_convertible_v<Init, Wanted>,
                  "open_session takes one argument that converts to the Session's `Init`");
    detail::open_session(remote().connection(), Wanted(std::forward<Init>(init)));
  }

  /// What other processes reach this worker with. Waits for its answer, which comes also while a
  /// function computes. Throws Error: kDisconnected; kFailed where it has closed its server.
  [[nodiscard]] WorkerRef<W> ref() const { return {detail::address_of(remote().connection())}; }
  /// The settings of its server. Waits likewise. Throws Error (kDisconnected).
  [[nodiscard]] Settings settings() const {
    return detail::call_builtin<&Server::settings>(remote().connection()).get();
  }
  /// It takes no new clients from now on; those that are there stay. Waits likewise. Throws Error
  /// (kDisconnected).
  void close_server() const {
    detail::call_builtin<&Server::close_server>(remote().connection()).get();
  }
  /// The log records of its process (see launch/log.h) from `level` up, at most `per_second` of
  /// them a second; LogRecord::lost counts the others, and those for which a reader that is a
  /// window behind had no room. Any number of processes may ask. Waits likewise. Throws Error
  /// (kDisconnected), and so does the stream when the worker ends.
  [[nodiscard]] Stream<LogRecord> log(LogLevel level = LogLevel::kInfo,
                                      std::uint32_t per_second = 1000) const {
    auto subscribed = detail::open_call<&Server::subscribe_to_log>(
        remote().connection(), kBuiltin<&Server::subscribe_to_log>, level, per_second);
    subscribed.result.get();  // from here on it misses nothing
    return std::move(subscribed.output);
  }

  /// As its master counts it. Empty for a worker that nobody spawned.
  [[nodiscard]] WorkerId const& id() const { return remote().connection()->peer().worker; }
  /// The name of its machine.
  [[nodiscard]] std::string const& host() const { return remote().connection()->peer().host; }
  /// Of its process; of this one for a worker that serve() made.
  [[nodiscard]] int pid() const { return remote().connection()->peer().pid; }
  /// False once the worker's end was reported, or its connection is lost: a call fails at once.
  [[nodiscard]] bool alive() const { return !remote().connection()->lost() && !remote().ended(); }

  /// Asks it to end: it finishes the call that it runs, destroys its object, and goes; it is killed
  /// after shutdown_timeout. Returns at once. Calls that wait fail as kDisconnected; on_failure
  /// hears nothing, unless it crashes meanwhile. Any client may ask.
  void shut_down() const { own().shut_down(); }
  /// SIGKILL. Returns at once. Unless shut_down() came before, on_failure hears of it; where the
  /// process does not even end of that, it hears so after 4 s. Throws Error
  /// (kRefused) for a worker that somebody else spawned; asks one that serve() made to end.
  void kill() const { own().kill(); }
  /// Ends a connection that connect() made, as a network that fails would; see Managed. The worker
  /// lives on. Throws Error (kRefused), and does nothing, for a handle that spawn or serve() gave:
  /// that worker would end with its connection, and shut_down() or kill() say how it is to end.
  void drop_connection() const { own().drop_connection(); }
  /// How its process ended, once it has and where that is known.
  [[nodiscard]] std::optional<ExitReport> exit_report() const { return remote().exit_report(); }
  /// Waits until its process is gone, or given up since SIGKILL does not end it; where serve() or
  /// connect() gave the handle, until its connection has ended. Returns whether that is so.
  bool wait_until_ended(Clock::duration at_most) const {
    return own().wait_until_ended(Deadline::after(at_most));
  }

 private:
  WorkerHandle& remote() const {
    if (!remote_)
      throw std::logic_error("cohort: this Worker was moved from: use the one it moved to");
    return *remote_;
  }
  /// Not a forked child's.
  [[nodiscard]] WorkerHandle& own() const {
    remote().connection()->birthplace().require_here();
    return *remote_;
  }

  std::shared_ptr<WorkerHandle> remote_;
};

}  // namespace cohort
