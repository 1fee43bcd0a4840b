#include "launch/cluster.h"

#include <algorithm>
#include <future>
#include <stdexcept>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "core/start_thread.h"
#include "launch/agent_hall.h"
#include "launch/boot.h"
#include "launch/listener.h"
#include "launch/local_launcher.h"
#include "launch/log.h"
#include "launch/mpi_backend.h"
#include "launch/ranks.h"
#include "launch/remote_worker.h"
#include "launch/served_worker.h"
#include "launch/session.h"
#include "launch/worker_main.h"
#include "transports/socket.h"

namespace cohort {
namespace {

/// Where the program was started with stdin, stdout or stderr closed, a socket would get its
/// number, and whoever prints would write into it.
void occupy_standard_descriptors() {
  int descriptor = check(::open("/dev/null", O_RDWR), "open(/dev/null)");
  while (descriptor <= STDERR_FILENO) descriptor = check(::dup(descriptor), "dup");
  ::close(descriptor);
}

/// Throws the error that comes first, by time.
void wait_until_constructed(std::span<std::shared_ptr<RemoteWorker> const> workers,
                            Deadline deadline, std::chrono::milliseconds timeout) {
  CompletionWatch watch;
  for (std::size_t i = 0; i < workers.size(); ++i) watch.add(workers[i]->constructed(), i);
  while (watch.left() != 0) {
    if (auto const settled = watch.next(deadline)) {
      workers[*settled]->throw_if_not_constructed();
      continue;
    }
    auto const late = std::find_if(workers.begin(), workers.end(), [](auto const& worker) {
      return !worker->constructed().ready();
    });
    if (late == workers.end()) continue;
    throw(*late)->lateness(timeout);
  }
}

/// Which no rank can give, since its process runs already.
bool wants_own_process(SpawnOptions const& options) {
  return !options.wrap.empty() || !options.executable.empty();
}

/// In the master. Gives the pool of its ranks, where workers are those.
RankPool* start_mpi(ClusterOptions& options) {
  static Birthplace const first;
  if (first.is_elsewhere()) {
    throw std::runtime_error(
        "this process is a fork of one that uses MPI, which knows no forks: workers can be local");
  }
  auto& mpi = required_mpi_backend();
  auto const place = mpi.place_in_job();
  if (options.launcher == Launcher::kRanks && place) {
    if (place->rank != 0) {
      throw std::logic_error(
          "cohort: rank " + std::to_string(place->rank) +
          " is a worker: main must call run_master, or run_as_rank, before it makes a Cluster");
    }
    if (options.workers == 0) options.workers = place->size - 1;
  }
  mpi.start(options.launcher, options.mpi);
  return options.launcher == Launcher::kRanks ? &RankPool::of(*place) : nullptr;
}

}  // namespace

Cluster::Cluster(AppTypes types, ClusterOptions options) {
  if (is_worker_process()) {
    throw std::logic_error(
        "cohort: this process was started as a worker: main must call start_app or run_worker "
        "before it makes a Cluster");
  }
  check_log_level();
  if (is_over_mpi(options.launcher)) {
    options.transport = Transport::kUnix;  // of the control connections
    ranks_ = start_mpi(options);
  }
  options.settings = Settings::from_environment(options.settings);
  occupy_standard_descriptors();
  made_runtime_ = true;
  open(std::make_shared<Runtime>(types, options, Secret::random(), WorkerId()), WorkerId(),
       options);
  session_->engine.on_uncaught([](ExceptionText const& text) {
    log(LogLevel::kError, "a callback threw " + text.type + ": " + text.what);
  });
}

Cluster::Cluster(std::shared_ptr<Runtime> runtime, WorkerId self, Settings const& settings) {
  auto options = runtime->options;
  options.settings = settings;
  options.launcher = Launcher::kLocal;
  open(std::move(runtime), std::move(self), std::move(options));
}

void Cluster::open(std::shared_ptr<Runtime> runtime, WorkerId self, ClusterOptions options) {
  session_ = std::make_shared<Session>(std::move(runtime), std::move(self), std::move(options));
  if (is_over_mpi(session_->options.launcher)) hall_ = std::make_unique<AgentHall>();

  if (session_->options.transport != Transport::kTcp) return;
  listener_ = std::make_shared<Listener>(
      *session_->runtime, session_->options.settings.handshake_timeout,
      listen_tcp({"127.0.0.1", 0}, kListenBacklog),
      [session = session_.get()](HandshakeSource::Outcome& outcome) {
        auto const worker = outcome.authenticated ? session->find(outcome.claim.serial) : nullptr;
        if (!worker) return false;
        return outcome.refusal.empty() ? worker->take_connection(outcome)
                                       : worker->refuse_connection(outcome.refusal);
      });
  listener_->open();
}

Cluster::~Cluster() {
  if (session_->engine.birthplace().is_elsewhere()) {
    abandon(std::move(hall_));
    abandon(std::move(listener_));
    abandon(std::move(starts_));
    abandon(std::move(session_));
    return;
  }
  session_->close();
  do {
    end_workers();
    session_->runtime->failures.drain();  // on_failure may refer to what the master's caller has
  } while (!session_->all().empty());     // one of them was just spawning
  // Not for a worker's own workers: what ends there may be the worker itself, which waits for this.
  if (made_runtime_) session_->runtime->wait_for_endings();
  if (listener_) listener_->close();
  if (hall_) hall_->close();
  starts_.clear();  // waits for them
  // Also where there is no listener: the handler that told of the last end may still run.
  session_->engine.run_locked([] {});
  // Another thread may be in the middle of a call through a handle, and must not be the last one.
  constexpr std::chrono::milliseconds kLookAgain{1};
  while (session_.use_count() != 1) std::this_thread::sleep_for(kLookAgain);
}

void Cluster::end_workers() {
  auto const start = Clock::now();
  for (auto workers = session_->all(); !workers.empty(); workers = session_->all()) {
    for (auto const& worker : workers) worker->end_with_session();
    for (auto const& worker : workers) {
      // Longer than it is given before it is killed.
      auto const patience = std::max<Clock::duration>(
          patience_with_ends(), worker->shutdown_timeout() + std::chrono::seconds(5));
      if (worker->wait_until_ended(Deadline(start + patience))) continue;
      worker->give_up();
    }
  }
}

/// Longer than a worker is given before it is killed.
Clock::duration Cluster::patience_with_ends() const {
  return session_->options.settings.shutdown_timeout + std::chrono::seconds(5);
}

std::uint32_t Cluster::workers() const noexcept {
  auto const chosen = session_->options.workers;
  return chosen != 0 ? chosen : usable_cores();
}

ClusterOptions const& Cluster::options() const noexcept { return session_->options; }
AppTypes Cluster::types() const noexcept { return session_->runtime->types; }
Engine& Cluster::engine() noexcept { return session_->engine; }
void Cluster::flush() noexcept { session_->engine.flush_held_back(); }
std::shared_ptr<Runtime> const& Cluster::runtime() const noexcept { return session_->runtime; }

/// The environment wins over what the program says.
Settings Cluster::settings_of(SpawnOptions const& options) const {
  return Settings::from_environment(options.settings.value_or(session_->options.settings));
}

std::vector<std::shared_ptr<RemoteWorker>> Cluster::start_workers(
    WorkerTypeId type, SpawnOptions const& options, std::shared_ptr<Message const> init,
    Places places, Deadline deadline) {
  session_->engine.birthplace().require_here();
  auto const count = options.count != 0 ? options.count : this->workers();
  auto const group_size = places.group_size != 0 ? places.group_size : count;
  check(options);
  if (hall_ && options.shutdown_on == ShutdownOn::kCalledShutdown) {
    throw std::invalid_argument(
        "SpawnOptions::shutdown_on = kCalledShutdown: workers over MPI end with their master, "
        "whose runtime ends them");
  }
  auto const settings = settings_of(options);
  start_threads(options);
  auto const first = session_->next_serials(count);
  std::vector<std::shared_ptr<RemoteWorker>> workers;
  for (std::uint32_t index = 0; index < count; ++index) {
    workers.push_back(std::make_shared<RemoteWorker>(
        session_, first + index, ConstructRequest{type, places.first + index, group_size, init},
        options, settings));
  }
  for (auto const& worker : workers) session_->add(worker->serial(), worker);
  SharedFiles files{.are_emptied = places.group_size == 0};  // else it is for a lost one's place
  if (hall_) {
    start_under_mpi(workers, options, settings, deadline, files);
  } else {
    session_->starter.run([&] { start_processes(workers, options, settings, files); });
  }
  return workers;
}

std::vector<std::shared_ptr<RemoteWorker>> Cluster::spawn_workers(
    WorkerTypeId type, SpawnOptions const& options, std::shared_ptr<Message const> init,
    Places places) {
  auto const deadline = Deadline::after(options.spawn_timeout);
  auto workers = start_workers(type, options, std::move(init), places, deadline);
  try {
    wait_until_constructed(workers, deadline, options.spawn_timeout);
    return workers;
  } catch (...) {
    end_in_vain(workers);
    throw;
  }
}

void Cluster::end_in_vain(std::span<std::shared_ptr<RemoteWorker> const> workers) const {
  for (auto const& worker : workers) worker->shut_down();
  auto const patience = Deadline::after(patience_with_ends());
  for (auto const& worker : workers) static_cast<void>(worker->wait_until_ended(patience));
}

bool Cluster::can_start_more(SpawnOptions const& options, std::size_t held) const {
  if (session_->is_closing()) return false;
  if (ranks_ == nullptr || session_->options.mpi.replace_ranks) return true;
  return !wants_own_process(options) && ranks_->alive() > held;
}

std::shared_ptr<WorkerHandle> Cluster::serve_here(WorkerTypeId type, SpawnOptions const& options,
                                                  std::shared_ptr<Message const> init) {
  session_->engine.birthplace().require_here();
  check_for_serve(options);
  start_threads(options);
  auto const& runtime = session_->runtime;
  auto const settings = settings_of(options);
  auto id = session_->self.child(session_->next_serials(1));
  auto worker = ServedWorker::start(runtime, std::move(id), settings, options);
  auto const name = constructor_name(runtime->types, type);
  auto* const state = new CallState(runtime->engine, worker->connection(), name);
  Future<void> constructed(state);
  send_construct_call(*worker->connection(), {type, 0, 1, std::move(init)}, *state);
  constructed.get();
  return worker;
}

/// Those that a worker's life needs, before there is anything to undo: what tells of its end runs
/// where nothing may fail.
void Cluster::start_threads(SpawnOptions const& options) {
  if (!hall_) session_->starter.start();
  session_->runtime->output.start();
  if (options.on_failure) session_->runtime->failures.start();
}

void Cluster::start_processes(std::span<std::shared_ptr<RemoteWorker> const> workers,
                              SpawnOptions const& options, Settings const& settings,
                              SharedFiles& files) {
  for (auto const& worker : workers) {
    try {
      worker->adopt(start_local_process(boot_record(*worker, options, settings),
                                        session_->options.worker_arguments, options,
                                        open_outputs(options, owner_of(*worker), files)));
    } catch (std::exception const& error) {
      worker->fail_to_start(error.what());
    }
  }
}

OutputOwner Cluster::owner_of(RemoteWorker const& worker) const {
  return {.index = worker.index(), .id = worker.id(), .host = session_->runtime->host};
}

BootRecord Cluster::boot_record(RemoteWorker const& worker, SpawnOptions const& options,
                                Settings const& settings) const {
  return {.secret = session_->runtime->secret,
          .id = worker.id(),
          .serial = worker.serial(),
          .parent_pid = ::getpid(),
          .master = listener_ ? listener_->endpoint() : Endpoint{},
          .over_mpi = hall_ != nullptr,
          .transport = session_->options.transport,
          .settings = settings,
          .shutdown_on = options.shutdown_on,
          .umask = options.umask,
          .forwards_stderr = options.redirect_stderr.mode == Redirect::Mode::kForward};
}

/// Each worker is started by an agent of its own, side by side.
void Cluster::start_under_mpi(std::span<std::shared_ptr<RemoteWorker> const> workers,
                              SpawnOptions const& options, Settings const& settings,
                              Deadline deadline, SharedFiles& files) {
  for (auto const& worker : workers) {
    worker->expect_plane();
    try {
      // The agent last: one that is not used is lost, and its rank.
      auto outputs = open_outputs(options, owner_of(*worker), files);
      std::promise<FindAgent> find_agent;
      remember_start(start_async(
          "the start of a worker over MPI",
          [this, worker, options, settings, deadline, outputs = std::move(outputs),
           find_agent = find_agent.get_future()]() mutable {
            try {
              auto agent = find_agent.get()();
              if (!agent.socket) return;  // spawn() says that it is late
              worker->adopt(start_local_process(
                  boot_record(*worker, options, settings), session_->options.worker_arguments,
                  options, std::move(outputs), starter_through(std::move(agent), deadline)));
            } catch (std::exception const& error) {
              worker->fail_to_start(error.what());
            }
          }));
      try {
        find_agent.set_value(ranks_ != nullptr ? take_rank(worker, options, deadline)
                                               : spawn_agent(worker, deadline));
      } catch (...) {
        find_agent.set_exception(std::current_exception());
      }
    } catch (std::exception const& error) {
      worker->fail_to_start(error.what());
    }
  }
}

/// To be waited for by the end of the cluster.
void Cluster::remember_start(std::future<void> start) {
  std::lock_guard const lock(starts_mutex_);
  std::erase_if(starts_, [](auto const& each) {
    return each.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  });
  starts_.push_back(std::move(start));
}

/// MPI starts an agent, which comes to the hall and starts the worker; the worker joins MPI, and
/// that ends the call.
Cluster::FindAgent Cluster::spawn_agent(std::shared_ptr<RemoteWorker> const& worker,
                                        Deadline deadline) {
  auto call = required_mpi_backend().spawn(
      hall_->variable_of(worker->serial()), "--cohort-worker=" + worker->id().to_string(),
      [weak = std::weak_ptr(worker)] {
        auto const alive = weak.lock();
        return alive && !alive->ended();
      },
      [weak = std::weak_ptr(worker), weak_runtime = std::weak_ptr(session_->runtime)](
          MpiBackend::MakePlane const& make_plane, std::string failure) {
        auto const runtime = weak_runtime.lock();  // a call that hangs must not keep it
        auto const alive = weak.lock();
        if (runtime && alive) alive->take_plane(runtime->engine, make_plane, std::move(failure));
      });
  return [this, serial = worker->serial(), deadline, call = std::move(call)] {
    return hall_->wait_for(serial, deadline, call);
  };
}

/// The agent of a rank is there already.
Cluster::FindAgent Cluster::take_rank(std::shared_ptr<RemoteWorker> const& worker,
                                      SpawnOptions const& options, Deadline deadline) {
  bool const needs_process = wants_own_process(options);
  if (auto rank = needs_process ? std::nullopt : ranks_->take(deadline)) {
    worker->take_plane(session_->engine,
                       required_mpi_backend().plane_to_rank(rank->number, rank->life), {});
    return [this, rank = std::make_shared<RankPool::Rank>(std::move(*rank)), deadline] {
      return ranks_->agent_of(std::move(*rank), deadline);
    };
  }
  if (session_->options.mpi.replace_ranks) return spawn_agent(worker, deadline);
  std::string const reason =
      needs_process
          ? "SpawnOptions::wrap and executable: a rank's process runs already (--mpi-replace "
            "starts another one)"
          : "no rank is left: each is one worker at a time, and lost with one that dies (start "
            "more ranks, or pass --mpi-replace to spawn workers in their stead)";
  return [reason]() -> AgentHandle { throw std::runtime_error(reason); };
}

}  // namespace cohort
