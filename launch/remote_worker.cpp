#include "launch/remote_worker.h"

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iterator>
#include <utility>

#include "launch/agent_hall.h"
#include "launch/log.h"
#include "transports/stream_channel.h"

namespace cohort {
namespace {

using std::chrono::milliseconds;

/// After the end of the connection: how long its process may take until its exit is known.
constexpr milliseconds kExitGrace{80};
/// After a SIGKILL: a process that is still there hangs in the kernel. Less than the time by which
/// the cluster's end waits longer than shutdown_timeout.
constexpr milliseconds kKillGrace{4000};
/// A worker whose handle is gone ends this long after its last answer, and longer where that took
/// long.
constexpr milliseconds kFirstLook{1};
constexpr milliseconds kLongestLook{100};

/// Somebody gave it up before it was there. What an agent started ends with the agent's socket.
void end_unwatched(LocalProcess process) {
  if (process.agent.socket || !process.pidfd) return;
  kill_process(process.pidfd.get(), process.group);
  reap_whenever_it_ends(std::move(process.pidfd));
}

/// As proc(5) has it: a process in state D waits in the kernel for a device or a file system.
std::string describe_state(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string const stat{std::istreambuf_iterator<char>(file), {}};
  auto const behind_its_name = stat.rfind(") ");
  if (behind_its_name == stat.npos) return "its pid is gone";
  return std::string("it is in state ") + stat[behind_its_name + 2];
}

}  // namespace

RemoteWorker::RemoteWorker(std::shared_ptr<Session> session, std::uint32_t serial,
                           ConstructRequest request, SpawnOptions const& options,
                           Settings const& settings)
    : session_(std::move(session)),
      host_(session_->runtime->host),
      serial_(serial),
      id_(session_->self.child(serial)),
      request_(std::move(request)),
      constructor_name_(constructor_name(session_->runtime->types, request_.type)),
      on_failure_(options.on_failure),
      shutdown_on_(options.shutdown_on),
      settings_(settings),
      name_(options.name),
      hands_out_stdout_(options.redirect_stdout.mode == Redirect::Mode::kPipe),
      hands_out_stderr_(options.redirect_stderr.mode == Redirect::Mode::kPipe),
      construct_(new CallState(session_->engine, {}, constructor_name_)),
      constructed_(construct_) {}

RemoteWorker::~RemoteWorker() {
  if (!construct_sent_) construct_->release();
}

/// Null once its end was told.
std::shared_ptr<Session> RemoteWorker::session() const {
  std::lock_guard const lock(session_mutex_);
  return session_;
}

/// Once its end was told nothing changes any more, and no lock is there.
void RemoteWorker::run_locked(std::function<void()> const& function) const {
  if (auto const session = this->session()) return session->engine.run_locked(function);
  function();
}

// ---- coming to life ----

void RemoteWorker::adopt(LocalProcess process) {
  run_locked([&] {
    if (finalized_) return end_unwatched(std::move(process));
    try {
      watch(process);
    } catch (...) {
      if (auto const child = std::exchange(process_, nullptr)) {
        child->kill();
        child->leave_alone();
      }
      throw;
    }
    if (shutdown_requested_ || killed_) kill();
  });
}

/// The process first: whatever else cannot be had, no zombie stays.
void RemoteWorker::watch(LocalProcess& process) {
  auto const self = shared_from_this();
  pid_ = process.pid;
  auto on_exit = [self](ExitReport report) { self->on_exit(std::move(report)); };
  if (process.agent.socket) {
    process_ = std::make_shared<AgentsProcess>(session_->engine, std::move(process.agent),
                                               std::move(process.pidfd), std::move(on_exit),
                                               process.group);
  } else {
    process_ = std::make_shared<ChildProcess>(session_->engine, std::move(process.pidfd),
                                              std::move(on_exit), process.group);
  }
  session_->engine.attach(process_);
  auto const tag = "[worker " + id_.to_string() + ' ' + (name_.empty() ? "" : name_ + ' ') + host_ +
                   ' ' + std::to_string(pid_) + "] ";
  pipes_.in = std::move(process.stdin_pipe);
  if (hands_out_stdout_) pipes_.out = std::move(process.stdout_pipe);
  if (hands_out_stderr_) pipes_.err = std::move(process.stderr_pipe);
  auto const forward = [&](UniqueFd& pipe, int to) -> std::shared_ptr<OutputForwarder> {
    if (!pipe) return nullptr;
    auto forwarder = std::make_shared<OutputForwarder>(session_->engine, std::move(pipe), tag, to,
                                                       session_->runtime->output);
    session_->engine.attach(forwarder);
    return forwarder;
  };
  stdout_ = forward(process.stdout_pipe, 1);
  stderr_ = forward(process.stderr_pipe, 2);
  if (!process.socket) return;
  handshake_ = std::make_shared<HandshakeSource>(
      *session_->runtime, std::move(process.socket),
      [self](HandshakeSource::Outcome outcome) { self->on_handshake(std::move(outcome)); });
  handshake_->start(std::nullopt);  // spawn_timeout is enough: nobody else has this socket
}

// ---- the data plane ----

class RemoteWorker::DataHandler : public ConnectionHandler {
 public:
  explicit DataHandler(RemoteWorker& worker) : worker_(worker) {}

 private:
  std::shared_ptr<Batch> on_calls(std::shared_ptr<Batch> batch) override {
    return worker_.on_calls(std::move(batch));
  }
  void on_cancel(CallId) override {}
  void on_shutdown(bool) override {}
  void on_dying(RemoteFailure failure) override { worker_.on_dying(std::move(failure)); }
  /// MPI knows of no end: it failed, or the format was breached.
  void on_end(End, std::string text) override {
    worker_.end_text_ = std::move(text);
    worker_.kill_after(milliseconds(0));
  }

  RemoteWorker& worker_;
};

void RemoteWorker::take_plane(Engine& engine, MpiBackend::MakePlane const& make_plane,
                              std::string failure) {
  auto const self = shared_from_this();
  engine.run_locked([&] {
    if (finalized_) return;
    if (!failure.empty()) {
      refuse(std::move(failure));
      if (!process_) return finalize();
      return kill_after(milliseconds(0));
    }
    plane_ = make_plane(engine);
    open_plane();
  });
}

/// Once the worker says that it has joined: before that MPI may take what is sent to it for
/// something else (launch/mpi_rendezvous.cpp).
void RemoteWorker::open_plane() {
  if (!plane_ || !control_ || !has_joined_) return;
  data_handler_ = std::make_unique<DataHandler>(*this);
  connection_ = std::make_shared<Connection>(session_->engine, plane_->take_channel(), settings_,
                                             control_->peer(), *data_handler_);
  connection_->start();
  plane_->open(connection_, control_);
  for (auto const& [kind, count] : std::exchange(early_signals_, {})) on_data_plane(kind, count);
  send_construct();
}

void RemoteWorker::on_data_plane(FrameKind kind, std::uint64_t count) {
  if (!expects_plane_) return;
  if (!connection_) {
    early_signals_.push_back({kind, count});
    if (!std::exchange(has_joined_, true)) open_plane();
    return;
  }
  if (kind != FrameKind::kGoodbye) return plane_->on_signal(kind, count);
  goodbye_count_ = count;
  plane_->on_signal(FrameKind::kBell, count);
  answer_goodbye();
}

/// The worker ends when it hears that all of its packets have come; not in the middle of a block
/// that is sent to it, whose memory MPI would go on with.
void RemoteWorker::answer_goodbye() {
  if (finalized_ || end_) return;
  if (plane_->has_taken(goodbye_count_) && !plane_->sends())
    return control_->send_control(FrameKind::kGoodbye);
  constexpr milliseconds kLookAgain{1};
  session_->engine.timers().schedule(Clock::now() + kLookAgain,
                                     [self = shared_from_this()] { self->answer_goodbye(); });
}

void RemoteWorker::fail_to_start(std::string reason) {
  run_locked([&] {
    refuse(std::move(reason));
    finalize();
  });
}

void RemoteWorker::on_handshake(HandshakeSource::Outcome outcome) {
  handshake_.reset();
  if (!outcome.refusal.empty()) {
    // A process that died is a better reason than the hang-up that came with it.
    if (outcome.authenticated) {
      refuse(outcome.refusal);
    } else {
      end_text_ = outcome.refusal;
    }
    return kill_after(kExitGrace);
  }
  if (outcome.claim.serial != serial_) {
    refuse("it claims to be worker " + std::to_string(outcome.claim.serial));
    return kill_after(milliseconds(0));
  }
  take_connection(outcome);
}

bool RemoteWorker::take_connection(HandshakeSource::Outcome& outcome) {
  if (control_ || finalized_) return false;
  Provenance peer{
      .worker = id_, .name = name_, .host = outcome.claim.host, .pid = outcome.claim.pid};
  control_ = std::make_shared<Connection>(
      session_->engine, std::make_unique<StreamChannel>(std::move(outcome.socket)), settings_,
      std::move(peer), *this, outcome.leftover);
  if (!expects_plane_) connection_ = control_;
  if (expects_plane_) control_->allow_late_start();  // it initialises MPI; spawn_timeout watches
  control_->start();
  if (connection_) send_construct();  // after start(): a large Init has to wait for room
  return true;
}

bool RemoteWorker::refuse_connection(std::string const& reason) {
  if (control_ || finalized_) return false;
  refuse(reason);
  kill_after(kExitGrace);
  return true;
}

void RemoteWorker::send_construct() {
  if (construct_->done.ready()) return;  // refused before
  construct_sent_ = true;
  send_construct_call(*connection_, request_, *construct_);
}

void RemoteWorker::refuse(std::string reason) {
  if (construct_sent_ || construct_->done.ready()) return;
  construct_sent_ = true;
  auto place = where();
  construct_->settle_with(Error(ErrorKind::kRefused, std::move(reason), std::move(place)));
}

void RemoteWorker::throw_if_not_constructed() const {
  if (construct_->error) throw Error(*construct_->error);
}

Error RemoteWorker::lateness(milliseconds spawn_timeout) const {
  auto place = where();
  auto text =
      "it was not ready within " + std::to_string(spawn_timeout.count()) + " ms (spawn_timeout): ";
  run_locked([&] {
    if (construct_sent_) {
      text += "its constructor has not returned";
      place.function = constructor_name_;
    } else if (control_) {
      text += "it has not joined MPI";
    } else {
      text += process_ ? "its process has not connected" : "its process was not started";
    }
  });
  return Error(ErrorKind::kTimedOut, std::move(text), std::move(place));
}

Provenance RemoteWorker::where() const {
  Provenance place{.worker = id_, .name = name_, .host = host_};
  run_locked([&] {
    if (control_) place = control_->peer();
    place.pid = pid_;
  });
  return place;
}

// ---- coming to an end ----

RemoteWorker::Pipes RemoteWorker::take_pipes() {
  Pipes pipes;
  run_locked([&] { pipes = std::move(pipes_); });
  for (auto* const pipe : {&pipes.in, &pipes.out, &pipes.err}) pipe->share();  // the caller's
  return pipes;
}

std::optional<ExitReport> RemoteWorker::exit_report() const {
  return ended() ? exit_ : std::nullopt;  // nothing changes it once it has ended
}

void RemoteWorker::release() {
  if (shutdown_on_ != ShutdownOn::kConnectionClosed || ended()) return;
  auto const self = shared_from_this();
  run_locked([&] {
    if (end_ || !connection_ || !construct_->done.ready()) return shut_down();
    if (process_) process_->expect_end();  // whoever waits for its place waits until then
    end_when_done(kFirstLook);
  });
}

/// The handle is gone, and what was sent over it is run first: what somebody waits for, however
/// long it takes; then the rest, which is asked to stop and has shutdown_timeout for it.
void RemoteWorker::end_when_done(milliseconds next_look) {
  if (shutdown_requested_ || killed_ || finalized_ || end_) return;
  if (!connection_->has_unfinished_calls()) return shut_down();
  auto const self = shared_from_this();
  auto& timers = session_->engine.timers();
  if (connection_->is_awaited()) {
    release_timer_ = timers.schedule(Clock::now() + next_look, [self, next_look] {
      self->end_when_done(std::min(2 * next_look, kLongestLook));
    });
    return;
  }
  connection_->send_shutdown_after_calls();
  release_timer_ =
      timers.schedule(Clock::now() + settings_.shutdown_timeout, [self] { self->shut_down(); });
}

void RemoteWorker::end_with_session() {
  run_locked([&] {
    if (!shutdown_requested_ && !killed_) why_it_ends_ = "its cluster has ended";
  });
  if (shutdown_on_ != ShutdownOn::kCalledShutdown || shutdown_requested_) return shut_down();
  if (ended()) return;
  auto const self = shared_from_this();
  run_locked([&] {
    if (finalized_ || killed_ || !construct_->done.ready()) return kill();
    shutdown_requested_ = true;  // of our side
    if (process_) process_->leave_alone();
    process_.reset();
    finalize();
  });
}

void RemoteWorker::shut_down() {
  if (ended()) return;
  auto const self = shared_from_this();
  run_locked([&] {
    if (shutdown_requested_ || killed_ || finalized_) return;
    if (end_ && end_ != End::kGoodbye) return kill();  // it died before it was asked to end
    shutdown_requested_ = true;
    // A constructor that hangs would only be waited for in vain.
    if (!connection_ || !construct_->done.ready()) return kill();
    if (process_) process_->expect_end();
    control_->send_control(FrameKind::kShutdown);
    kill_after(settings_.shutdown_timeout);
  });
}

void RemoteWorker::kill() {
  if (ended()) return;
  auto const self = shared_from_this();
  run_locked([&] {
    if (finalized_) return;
    killed_ = true;
    if (process_) {
      process_->kill();
      if (!expects_its_end_) expect_its_end();
    } else if (expects_plane_) {
      finalize();  // whoever comes to start it finds that out
    }
  });
}

bool RemoteWorker::wait_until_ended(Deadline deadline) {
  auto const session = this->session();
  return !session || session->engine.wait(ended_, deadline);
}

void RemoteWorker::give_up() {
  auto const self = shared_from_this();
  run_locked([&] {
    if (process_ && !expects_its_end_) process_->kill();
    finalize();
  });
}

void RemoteWorker::kill_after(milliseconds delay) {
  if (finalized_) return;
  auto& timers = session_->engine.timers();
  timers.cancel(kill_timer_);
  kill_timer_ = timers.schedule(Clock::now() + delay, [self = shared_from_this()] {
    if (self->finalized_) return;
    if (self->process_) self->process_->kill();
    self->killed_by_us_ = true;
    self->expect_its_end();
  });
}

/// It was killed. One that does not end of that is given up.
void RemoteWorker::expect_its_end() {
  expects_its_end_ = true;
  auto& timers = session_->engine.timers();
  timers.cancel(kill_timer_);
  kill_timer_ =
      timers.schedule(Clock::now() + kKillGrace, [self = shared_from_this()] { self->finalize(); });
}

std::shared_ptr<Batch> RemoteWorker::on_calls(std::shared_ptr<Batch> batch) {
  if (finalized_) return batch;
  session_->runtime->log_lines.post(
      LogLevel::kWarning, "worker " + id_.to_string() + " called its master, which serves nothing");
  return batch;
}

void RemoteWorker::on_dying(RemoteFailure failure) { dying_ = std::move(failure); }

void RemoteWorker::on_end(End end, std::string text) {
  end_ = end;
  end_text_ = std::move(text);
  if (!process_) return finalize();
  switch (end) {
    case End::kGoodbye:
      return kill_after(settings_.shutdown_timeout);
    case End::kClosed:
    case End::kBroken:
      // One that said what it dies of ends in its own time, with its own exit code or core.
      return kill_after(dying_ ? settings_.shutdown_timeout : kExitGrace);
    case End::kProtocol:
    case End::kSilent:
      return kill_after(milliseconds(0));
  }
}

void RemoteWorker::on_exit(ExitReport report) {
  exit_ = std::move(report);
  // What the worker sent before it died is delivered first: its calls, then its last words, whose
  // end finalizes. Unless a process that it left behind keeps the socket open.
  if (plane_ && connection_) plane_->take_the_rest();
  process_.reset();
  while (control_ && !end_ && control_->on_readable()) {
  }
  finalize();
}

/// The process is gone, or given up: tell everybody who must know, each once.
void RemoteWorker::finalize() {
  if (std::exchange(finalized_, true)) return;
  session_->engine.timers().cancel(kill_timer_);
  session_->engine.timers().cancel(release_timer_);
  if (auto const process = std::exchange(process_, nullptr)) {
    given_up_ = true;
    process->give_up();
  }
  if (handshake_) handshake_->abandon();
  handshake_.reset();                         // its callback holds this object
  bool const still_open = control_ && !end_;  // a process that the worker left behind has it
  if (still_open) end_ = End::kClosed;
  if (stdout_) stdout_->finish();
  if (stderr_) stderr_->finish();
  if (exit_ && stderr_) exit_->stderr_tail = stderr_->tail();
  stdout_.reset();  // the pipes need not stay open as long as the handle lives
  stderr_.reset();

  // Killed for not ending in time is no crash.
  bool const crashed = dying_ || (exit_ && exit_->signal.value_or(SIGKILL) != SIGKILL);
  bool const expected = (shutdown_requested_ || end_ == End::kGoodbye) && !crashed && !given_up_;
  bool const was_alive = construct_->done.ready() && !construct_->error;
  auto const error = death();
  if (connection_) {
    auto const why = !expected ? error : Error(ErrorKind::kDisconnected, why_it_ends_);
    connection_->fail_pending(why);
    if (connection_ != control_) connection_->close(why.kind(), why.reason());
    if (still_open) control_->close(why.kind(), why.reason());
  }
  if (plane_) plane_->close();
  plane_.reset();  // with it goes what polls for it, which the session may not outlive

  if (!construct_sent_) {
    construct_sent_ = true;
    construct_->settle_with(error);
  }
  if (was_alive && !expected) session_->runtime->tell_of(error, std::move(on_failure_));
  ended_.set(session_->engine);
  session_->remove(serial_);
  std::shared_ptr<Session> released;  // not under the mutex
  std::lock_guard const lock(session_mutex_);
  released.swap(session_);
}

Error RemoteWorker::death() const {
  auto place = where();
  if (dying_) place.function = dying_->function;
  return Error(ErrorKind::kDisconnected, describe_end(), std::move(place),
               dying_ ? dying_->exception_type : std::string(), exit_);
}

/// The cause first: what the worker said, then how its process ended, then what the connection saw.
std::string RemoteWorker::describe_end() const {
  std::string text = dying_ ? dying_->text : std::string();
  auto const add = [&text](std::string const& more) {
    if (more.empty()) return;
    if (!text.empty()) text += "; ";
    text += more;
  };
  // Our SIGKILL may have come too late to be what ended it.
  bool const killed_by_us = killed_by_us_ && (!exit_ || exit_->signal == SIGKILL);
  bool const exited = !killed_by_us && exit_ && (exit_->exit_code || exit_->signal);
  // We hung up on it: its exit, where it was quicker than our SIGKILL, only follows from that.
  bool const hung_up = end_ == End::kSilent || end_ == End::kProtocol;
  if (!exited || hung_up) add(end_text_);
  if (exited) add(exit_->to_string());
  if (exited && !control_) add("before it had connected");
  if (killed_by_us && !given_up_) add("it was killed");
  if (given_up_) {
    add("its process was killed and does not end (" + describe_state(pid_) +
        "): it is left behind");
  }
  if (!exited && !killed_by_us && exit_) add(exit_->to_string());
  if (text.empty()) text = "the worker is gone";
  return text;
}

}  // namespace cohort
