// Ways to a worker: spawn a process, serve it here, or connect to one that somebody else has.
#pragma once

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "launch/cluster.h"
#include "launch/remote_client.h"
#include "launch/remote_worker.h"
#include "launch/worker.h"

namespace cohort {

namespace detail {

template <class W>
WorkerTypeId worker_type_id(AppTypes types) {
  for (std::uint32_t i = 0; i < types.size(); ++i) {
    if (types[i].construct == &construct_worker<W>) return WorkerTypeId{i};
  }
  throw std::logic_error("cohort: worker type " + std::string(type_text<W>()) +
                         " is not in the program's start_app<...>: add it there");
}

/// Converts `init` to W::Init and encodes it; the message borrows from `holder`.
template <class W, class... Init>
std::shared_ptr<Message const> encode_init(std::shared_ptr<void const>& holder, Init&&... init) {
  using Wanted = typename InitOf<W>::type;
  auto message = std::make_shared<Message>();
  if constexpr (std::is_same_v<Wanted, NoInit>) {
    static_assert(sizeof...(Init) == 0, "this worker type has no `Init`: spawn takes none");
  } else {
    static_assert(sizeof...(Init) == 1 && (std::is_convertible_v<Init, Wanted> && ...),
                  "spawn takes one argument that converts to this worker type's `Init`: give it "
                  "behind the options");
    auto value = std::make_shared<Wanted const>(std::forward<Init>(init)...);
    encode(*message, *value);
    holder = std::move(value);
  }
  return message;
}

template <class W>
std::vector<Worker<W>> spawn_encoded(Cluster& cluster, SpawnOptions const& options,
                                     std::shared_ptr<Message const> init,
                                     Cluster::Places places = {}) {
  check_without_pipes(options);
  std::vector<Worker<W>> workers;
  auto const type = worker_type_id<W>(cluster.types());
  for (auto& remote : cluster.spawn_workers(type, options, std::move(init), places)) {
    workers.emplace_back(std::move(remote));
  }
  return workers;
}

/// The Session of a fresh connection, where its worker type has one that takes this.
template <class W, class... SessionInit>
void open_first_session(Worker<W> const& worker, SessionInit&&... init) {
  static_assert(sizeof...(SessionInit) <= 1, "connect takes one argument for the Session at most");
  if constexpr (sizeof...(SessionInit) != 0) {
    worker.open_session(std::forward<SessionInit>(init)...);
  } else if constexpr (requires { typename W::Session; }) {
    if constexpr (std::is_same_v<typename InitOf<typename W::Session>::type, NoInit>) {
      worker.open_session(NoInit{});
    }
  }
}

}  // namespace detail

/// Starts workers, each a process of this executable that holds one W, and waits until all of them
/// have constructed it. `init` is converted to W::Init and given to each constructor. Any thread,
/// callbacks and on_failure too; in a worker with WorkerContext::cluster().
/// All or none: throws the first Error (kFailed: a constructor threw; kRefused: it could not start,
/// is another program, `init` is over max_message_size, or the cluster is ending; kDisconnected: it
/// died; kTimedOut: spawn_timeout), once the others have ended (shutdown_timeout), and nothing is
/// left. std::invalid_argument for options without sense; std::logic_error for a W that is not
/// among the program's worker types.
template <class W, class... Init>
[[nodiscard]] std::vector<Worker<W>> spawn(Cluster& cluster, SpawnOptions const& options,
                                           Init&&... init) {
  std::shared_ptr<void const> alive;  // until all have constructed
  auto message = detail::encode_init<W>(alive, std::forward<Init>(init)...);
  return detail::spawn_encoded<W>(cluster, options, std::move(message));
}

/// One worker; `options.count` is ignored. Waits and throws as spawn does.
template <class W, class... Init>
[[nodiscard]] Worker<W> spawn_one(Cluster& cluster, SpawnOptions options, Init&&... init) {
  options.count = 1;
  return std::move(spawn<W>(cluster, options, std::forward<Init>(init)...).front());
}

/// A worker whose process is its caller's to look after: its output, and how it ended. The
/// descriptors are the caller's; wait() may be called by any thread.
template <class W>
struct ForegroundWorker {
  Worker<W> worker;  ///< ends the worker when it goes, as any handle
  UniqueFd in;       ///< writes its stdin, which ends when this is closed
  UniqueFd out;      ///< reads its stdout: a blocking descriptor, closed when this goes
  UniqueFd err;      ///< reads its stderr, likewise; no Error has its last lines

  /// Waits for the end of the process, and says how it came; nothing where that is not known, or
  /// the time is over. No zombie is left, whether anybody waits or not.
  [[nodiscard]] std::optional<ExitReport> wait(Clock::duration at_most) const {
    if (!worker.wait_until_ended(at_most)) return std::nullopt;
    return worker.exit_report();
  }
};

/// Spawns one worker, and hands the other ends of its stdin, stdout and stderr to the caller, who
/// reads them: a worker that fills a pipe (64 KiB) waits, and one that does so in its constructor
/// is not ready before spawn_timeout. Writing to the stdin of one that is gone raises SIGPIPE, as
/// with any pipe. `options.count` is ignored. Throws as spawn does, and std::invalid_argument for
/// redirections, too.
template <class W, class... Init>
[[nodiscard]] ForegroundWorker<W> spawn_in_foreground(Cluster& cluster, SpawnOptions options,
                                                      Init&&... init) {
  check_for_foreground(options);
  options.count = 1;
  options.redirect_stdout.mode = options.redirect_stderr.mode = Redirect::Mode::kPipe;
  std::shared_ptr<void const> alive;
  auto message = detail::encode_init<W>(alive, std::forward<Init>(init)...);
  auto const remote = cluster
                          .spawn_workers(detail::worker_type_id<W>(cluster.types()), options,
                                         std::move(message), {})
                          .front();
  auto pipes = remote->take_pipes();
  return {Worker<W>(remote), std::move(pipes.in), std::move(pipes.out), std::move(pipes.err)};
}

/// A worker in this process: a thread of its own runs its calls. It is called like any other, and
/// other processes connect to it by its ref(). It may outlive the cluster. What its destructor, or
/// that of a Session, or a thread of its own throws, ends this process. Waits for its
/// constructor, without a timeout: a thread cannot be given up. Throws Error (kFailed: what the
/// constructor threw; kRefused: `init` is over max_message_size, or the cluster is ending),
/// std::invalid_argument for options that are of a process, and std::logic_error as spawn does.
template <class W, class... Init>
[[nodiscard]] Worker<W> serve(Cluster& cluster, SpawnOptions const& options, Init&&... init) {
  std::shared_ptr<void const> alive;
  auto message = detail::encode_init<W>(alive, std::forward<Init>(init)...);
  return Worker<W>(
      cluster.serve_here(detail::worker_type_id<W>(cluster.types()), options, std::move(message)));
}

/// Connects to a worker that another process, or another part of this one, spawned or serves.
/// `runtime` is Cluster::runtime(); the forms below take a cluster, or a worker's context.
/// `session_init` opens the connection's Session where that takes an Init. The handle may outlive
/// the Cluster. Waits at most for the handshake_timeout of that worker, and, where it opens a
/// Session, for its turn among the worker's calls. Throws Error: kDisconnected where nobody is
/// there or it hangs up; kRefused where it is another program or of another session; kTimedOut
/// after handshake_timeout; kFailed with what the Session's constructor threw.
template <class W, class... SessionInit>
[[nodiscard]] Worker<W> connect(std::shared_ptr<Runtime> const& runtime, WorkerRef<W> const& ref,
                                SessionInit&&... session_init) {
  Worker<W> worker(RemoteClient::connect(runtime, ref.address));
  detail::open_first_session(worker, std::forward<SessionInit>(session_init)...);
  return worker;
}
/// The same, by way of a cluster.
template <class W, class... SessionInit>
[[nodiscard]] Worker<W> connect(Cluster& cluster, WorkerRef<W> const& ref,
                                SessionInit&&... session_init) {
  return connect(cluster.runtime(), ref, std::forward<SessionInit>(session_init)...);
}
/// The same in a worker.
template <class W, class... SessionInit>
[[nodiscard]] Worker<W> connect(WorkerContext const& context, WorkerRef<W> const& ref,
                                SessionInit&&... session_init) {
  return connect(context.server->runtime(), ref, std::forward<SessionInit>(session_init)...);
}

}  // namespace cohort
