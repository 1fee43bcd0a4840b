#include "launch/worker_main.h"

#include <atomic>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <cxxabi.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launch/agent.h"
#include "launch/allocator.h"
#include "launch/boot.h"
#include "launch/handshake.h"
#include "launch/mpi_backend.h"
#include "launch/options.h"
#include "launch/ranks.h"
#include "launch/runtime.h"
#include "launch/server.h"
#include "transports/socket.h"
#include "transports/stream_channel.h"

namespace cohort {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kBootTimeout{10'000};
/// The master is gone: how long a running function may take to notice its stop token.
constexpr milliseconds kOrphanGrace{500};
constexpr milliseconds kLastWords{200};
constexpr int kExitCannotJoin = 75;  // EX_TEMPFAIL of sysexits.h
constexpr int kExitMasterLost = 69;  // EX_UNAVAILABLE
constexpr int kExitFailed = 70;      // EX_SOFTWARE

class WorkerProcess;
/// For the terminate handler, which has no other way to the connection.
std::atomic<WorkerProcess*> g_process{nullptr};

/// A process that is one worker: how it ends, and what it says of its death.
class WorkerProcess {
 public:
  /// `plane` carries the calls, where the control connection does not.
  WorkerProcess(std::shared_ptr<Runtime> runtime, BootRecord const& boot,
                std::shared_ptr<DataPlane> plane)
      : runtime_(std::move(runtime)),
        settings_(boot.settings),
        shutdown_timeout_(boot.settings.shutdown_timeout),
        shutdown_on_(boot.shutdown_on),
        forwards_stderr_(boot.forwards_stderr),
        plane_(std::move(plane)),
        server_(std::make_shared<Server>(
            runtime_, boot.id, boot.settings,
            Server::Hooks{.on_owner_end = [this](ConnectionHandler::End) { on_master_gone(); },
                          .on_shutdown = [this] { stop_within(shutdown_timeout_); },
                          .say_goodbye = plane_
                                             ? [this](Deadline deadline) { say_goodbye(deadline); }
                                             : std::function<void(Deadline)>(),
                          .on_background_failure =
                              [this](RemoteFailure what) { die_of(std::move(what)); }})) {
    runtime_->engine.on_uncaught([this](ExceptionText text) {
      die_of({.exception_type = std::move(text.type),
              .text = std::move(text.what),
              .function = "a callback of a stream"});
    });
  }
  ~WorkerProcess() {
    runtime_->engine.run_locked([] { g_process.store(nullptr); });  // no timer uses it any more
    runtime_->wait_for_endings();                                   // which wait for callbacks
    runtime_->engine.callbacks().finish();
  }

  int run(UniqueFd socket, int master_pid) {
    Provenance const master{.worker = {}, .host = {}, .pid = master_pid};
    auto channel = std::make_unique<StreamChannel>(std::move(socket));
    if (!plane_) {
      master_ = server_->add_client(std::move(channel), master, {}, true);
    } else {
      master_ = std::make_shared<Connection>(runtime_->engine, std::move(channel), settings_,
                                             master, control_handler_);
      auto const data = server_->add_client(plane_->take_channel(), master, {}, true);
      plane_->open(data, master_);
      master_->start();
      // It has joined, so that calls may come; and from here on its silence counts.
      master_->send_control(FrameKind::kBell);
    }
    g_process.store(this);
    std::set_terminate(&on_terminate);
    try {
      server_->run();
    } catch (abi::__forced_unwind const&) {  // a function ended this thread, and others ran on
      std::exit(end());                      // nothing can stop the unwinding but this
    }
    return end();
  }

 private:
  /// Once no call runs any more. Gives the process's exit code.
  int end() {
    bool const orderly = !master_lost_.load() && !failed_.load();
    server_->say_goodbye(orderly, Deadline::after(shutdown_timeout_));
    if (plane_) {
      runtime_->engine.run_locked([this] { plane_->close(); });
      master_->close(ErrorKind::kDisconnected, "this worker ends");
    }
    if (failed_.load()) return kExitFailed;
    return orphaned_.load() ? kExitMasterLost : EXIT_SUCCESS;
  }

  /// Hears of the control connection where calls travel beside it.
  class ControlHandler : public ConnectionHandler {
   public:
    explicit ControlHandler(WorkerProcess& process) : process_(process) {}

   private:
    std::shared_ptr<Batch> on_calls(std::shared_ptr<Batch> batch) override { return batch; }
    void on_cancel(CallId) override {}
    void on_shutdown(bool) override { process_.stop_within(process_.shutdown_timeout_); }
    void on_dying(RemoteFailure) override {}
    void on_data_plane(FrameKind kind, std::uint64_t count) override {
      if (kind != FrameKind::kGoodbye) return process_.plane_->on_signal(kind, count);
      process_.goodbye_heard_.set(process_.runtime_->engine);
    }
    void on_end(End, std::string) override {
      process_.goodbye_heard_.set(process_.runtime_->engine);
      process_.on_master_gone();
    }

    WorkerProcess& process_;
  };

  /// Says how many packets it has sent, and stays to send them until the master has them all.
  void say_goodbye(Deadline deadline) {
    master_->send_control(FrameKind::kGoodbye, {}, plane_->sent());
    runtime_->engine.wait(goodbye_heard_, deadline);
  }

  void on_master_gone() {
    master_lost_.store(true);
    // One whose constructor has not returned was never handed over: nobody could ask it to end.
    if (shutdown_on_ == ShutdownOn::kCalledShutdown && server_->constructed()) return;
    orphaned_.store(true);
    stop_within(kOrphanGrace);
  }

  /// A function that computes on does not keep the process alive.
  void stop_within(milliseconds grace) {
    server_->stop();
    runtime_->engine.timers().schedule(Clock::now() + grace, [] {
      if (auto* const process = g_process.load()) process->give_up();
      ::_exit(kExitMasterLost);
    });
  }

  /// Under the I/O lock. An end that another client asked for is no failure: the master, which
  /// knows nothing of it, is told so.
  [[noreturn]] void give_up() noexcept {
    if (failed_.load()) ::_exit(kExitFailed);
    if (!master_lost_.load()) {
      Message nothing;
      master_->send_last_words(FrameKind::kGoodbye, nothing, Deadline::after(kLastWords));
    }
    ::_exit(kExitMasterLost);
  }

  /// Something threw that nobody waits for: the master hears of it, and this worker ends.
  void die_of(RemoteFailure what) {
    if (failed_.exchange(true)) return;
    master_->send_control(FrameKind::kDying, master_->encoded(what));
    server_->tell_others_of_death(what);
    runtime_->engine.run_locked([this] { stop_within(shutdown_timeout_); });
    if (!forwards_stderr_ || master_lost_.load()) say(what);  // last: a full pipe may keep the line
  }

  /// Tells the master why this process is about to end, and returns whether that was sent. From any
  /// thread, in any state.
  bool report_death(RemoteFailure const& what) noexcept {
    bool sent = false;
    try {
      auto body = master_->encoded(what);
      sent = master_->send_last_words(FrameKind::kDying, body, Deadline::after(kLastWords));
      server_->send_others_last_words(what, Deadline::after(kLastWords));
    } catch (...) {
      // The master still sees the signal.
    }
    return sent;
  }

  /// One line on stderr, which may be a file that somebody looks at later. Not where that is the
  /// master's, which tells of it itself.
  void say(RemoteFailure const& what) const noexcept try {
    auto const line = "cohort: worker " + runtime_->self.to_string() + " (" + runtime_->host +
                      ", pid " + std::to_string(::getpid()) +
                      "): " + (what.function.empty() ? "terminates" : what.function) + ": " +
                      what.exception_type +
                      (what.exception_type.empty() || what.text.empty() ? "" : ": ") + what.text +
                      '\n';
    std::fflush(stdout);
    [[maybe_unused]] auto const written = ::write(STDERR_FILENO, line.data(), line.size());
  } catch (...) {
    // No memory for a line: the master has heard, or sees the signal.
  }

  [[noreturn]] static void on_terminate() noexcept {
    auto text = describe_current_exception();
    if (text.type.empty()) text.what = "std::terminate was called";
    auto* const process = g_process.load();
    if (process != nullptr && !process->runtime_->engine.birthplace().is_elsewhere()) {
      RemoteFailure const what{.exception_type = text.type, .text = text.what};
      bool const heard = process->report_death(what);  // first: a full pipe may keep the line
      if (!process->forwards_stderr_ || !heard) process->say(what);
    }
    std::abort();
  }

  std::shared_ptr<Runtime> const runtime_;
  Settings const settings_;
  milliseconds const shutdown_timeout_;
  ShutdownOn const shutdown_on_;
  bool const forwards_stderr_;
  std::shared_ptr<DataPlane> const plane_;
  ControlHandler control_handler_{*this};
  Event goodbye_heard_;
  std::shared_ptr<Server> const server_;
  std::shared_ptr<Connection> master_;  // its control connection
  std::atomic<bool> master_lost_{false};
  std::atomic<bool> orphaned_{false};  // it ends with its master
  std::atomic<bool> failed_{false};
};

/// The kernel kills us with the master, also while we are stopped or have not joined it yet.
void die_with_parent(std::int32_t parent) {
  if (parent == 0 || ::getppid() != parent) {
    if (parent != 0 && ::getppid() == 1) ::_exit(kExitMasterLost);
    return;  // started through another command: the end of the connection tells us
  }
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(kExitMasterLost);
}

/// The program's own, for ps and top: one that is started by a link has the link's, "exe".
void take_name_of_executable() {
  char path[PATH_MAX] = {};
  if (::readlink("/proc/self/exe", path, sizeof path - 1) <= 0) return;
  if (char* const gone = std::strstr(path, " (deleted)")) *gone = '\0';
  char const* const slash = std::strrchr(path, '/');
  ::prctl(PR_SET_NAME, slash != nullptr ? slash + 1 : path);  // as much as fits
}

/// Before the program's static initialisers, which may take long.
[[gnu::constructor(101)]] void begin_as_a_worker() {
  char const* const value = std::getenv(kWorkerVariable);
  if (value == nullptr) return;
  take_name_of_executable();
  char const* const colon = std::strchr(value, ':');
  if (colon != nullptr) die_with_parent(std::atoi(colon + 1));
}

void close_on_exec(int descriptor) {
  int const flags = check(::fcntl(descriptor, F_GETFD), "fcntl(F_GETFD)");
  check(::fcntl(descriptor, F_SETFD, flags | FD_CLOEXEC), "fcntl(F_SETFD)");
}

}  // namespace

bool is_worker_process() noexcept {
  return std::getenv(kWorkerVariable) != nullptr || std::getenv(kAgentVariable) != nullptr;
}

namespace {

/// `life`: how many workers this process has been before.
int serve_once(AppTypes types, std::uint32_t life) {
  auto const host = host_name();
  std::string who = "worker";
  bool forwards_stderr = false;
  try {
    UniqueFd pipe(std::atoi(std::getenv(kWorkerVariable)));
    ::unsetenv(kWorkerVariable);  // what this process starts is not a worker
    auto boot = read_boot_record(std::move(pipe), Deadline::after(kBootTimeout));
    who += ' ' + boot.id.to_string();
    forwards_stderr = boot.forwards_stderr;
    std::setvbuf(stdout, nullptr, _IOLBF, 0);  // lines travel when they are written
    if (boot.shutdown_on == ShutdownOn::kCalledShutdown) {
      std::signal(SIGPIPE, SIG_IGN);  // it may outlive whoever reads its output
    } else {
      die_with_parent(boot.parent_pid);
    }
    if (boot.umask) ::umask(static_cast<mode_t>(*boot.umask));
    auto const deadline = Deadline::after(boot.settings.handshake_timeout);
    UniqueFd socket = boot.inherited_socket >= 0 ? UniqueFd(boot.inherited_socket)
                                                 : connect_to(boot.master, deadline);
    close_on_exec(socket.get());
    ClusterOptions options{.transport = boot.transport, .settings = boot.settings};
    auto runtime = std::make_shared<Runtime>(types, options, boot.secret, boot.id);
    handshake_with_master(socket.get(), boot.secret, runtime->description,
                          {.serial = boot.serial, .pid = ::getpid(), .host = runtime->host},
                          deadline);
    auto plane = boot.over_mpi ? required_mpi_backend().join(runtime->engine, life) : nullptr;
    return WorkerProcess(std::move(runtime), boot, std::move(plane))
        .run(std::move(socket), boot.parent_pid);
  } catch (std::exception const& error) {
    bool const is_told = forwards_stderr && dynamic_cast<RefusedByMaster const*>(&error) != nullptr;
    if (is_told) return kExitCannotJoin;
    std::fprintf(stderr, "cohort: %s (%s, pid %d) cannot go on: %s\n", who.c_str(), host.c_str(),
                 static_cast<int>(::getpid()), error.what());
    return kExitCannotJoin;
  }
}

}  // namespace

int run_worker(AppTypes types) {
  if (std::getenv(kAgentVariable) != nullptr) return run_agent();
  char const* const who = std::getenv(kWorkerVariable);
  if (who == nullptr) {
    std::fputs("cohort: run_worker in a process that no master has started as a worker\n", stderr);
    return kExitCannotJoin;
  }
  keep_freed_memory();
  if (!std::string_view(who).ends_with(kWaits)) return serve_once(types, 0);
  try {
    return run_waiting_worker([types](std::uint32_t life) { return serve_once(types, life); });
  } catch (std::exception const& error) {
    std::fprintf(stderr, "cohort: a rank's process (pid %d) cannot go on: %s\n",
                 static_cast<int>(::getpid()), error.what());
    return kExitCannotJoin;
  }
}

}  // namespace cohort
