#include "launch/worker_main.h"

#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <utility>

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "core/connection.h"
#include "core/dispatcher.h"
#include "core/engine.h"
#include "launch/allocator.h"
#include "launch/boot.h"
#include "launch/handshake.h"
#include "launch/options.h"
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

class WorkerServer;
/// For the terminate handler, which has no other way to the connection.
std::atomic<WorkerServer*> g_server{nullptr};

class WorkerServer : public ConnectionHandler {
 public:
  WorkerServer(AppTypes types, BootRecord boot, std::string host)
      : types_(types),
        boot_(std::move(boot)),
        host_(std::move(host)),
        engine_(Engine::Options{.spin = boot_.settings.spin}),
        dispatcher_(engine_) {
    static constexpr std::array<FunctionEntry, 1> kBuiltins{
        FunctionEntry{"constructor", &construct}};
    dispatcher_.serve_builtin(this, kBuiltins);
  }
  ~WorkerServer() override { g_server.store(nullptr); }

  int run(UniqueFd socket) {
    client_ = std::make_shared<Client>();
    client_->connection = connection_ = std::make_shared<Connection>(
        engine_, std::make_unique<StreamChannel>(std::move(socket)), boot_.settings,
        Provenance{.worker = {}, .host = {}, .pid = boot_.parent_pid}, *this);
    g_server.store(this);
    std::set_terminate(&on_terminate);
    connection_->start();
    dispatcher_.run();
    if (object_ != nullptr) types_[type_].destroy(std::exchange(object_, nullptr));
    bool const orphaned = master_lost_.load();
    if (!orphaned) {
      connection_->send_control(FrameKind::kGoodbye);
      static_cast<void>(connection_->drain(Deadline::after(boot_.settings.shutdown_timeout)));
    }
    connection_->close(ErrorKind::kDisconnected, "this worker ends");
    return orphaned ? kExitMasterLost : EXIT_SUCCESS;
  }

  /// Tells the master why this process is about to end. From any thread, in any state.
  void report_death(ExceptionText const& text) noexcept {
    try {
      Message body;
      encode(body, RemoteFailure{.exception_type = text.type, .text = text.what});
      connection_->send_last_words(FrameKind::kDying, body, Deadline::after(kLastWords));
    } catch (...) {
      // The master still sees the signal.
    }
  }
  [[nodiscard]] std::string name() const {
    return "worker " + boot_.id.to_string() + " (" + host_ + ", pid " + std::to_string(::getpid()) +
           ")";
  }

 private:
  static void construct(void* server, std::span<std::byte const> bytes, CallContext&, Reply&) {
    static_cast<WorkerServer*>(server)->construct(bytes);
  }

  void construct(std::span<std::byte const> bytes) {
    ConstructHeader header;
    if (bytes.size() < sizeof header) throw detail::BadArguments("the construct call is cut short");
    std::memcpy(&header, bytes.data(), sizeof header);
    type_ = static_cast<std::uint32_t>(header.type);
    if (type_ >= types_.size() || object_ != nullptr) {
      throw detail::BadArguments("no worker type " + std::to_string(type_) + " to construct");
    }
    WorkerContext const context{boot_.id, header.index, header.count, host_};
    object_ = types_[type_].construct(bytes.subspan(sizeof header), context);
    dispatcher_.serve(object_, types_[type_].functions);
  }

  std::shared_ptr<Batch> on_calls(std::shared_ptr<Batch> batch) override {
    return dispatcher_.enqueue(client_, std::move(batch));
  }
  void on_cancel(CallId call) override { dispatcher_.cancel(*client_, call); }
  void on_dying(RemoteFailure) override {}
  void on_shutdown() override { stop_within(boot_.settings.shutdown_timeout); }
  void on_end(End, std::string) override {
    master_lost_.store(true);
    stop_within(kOrphanGrace);
  }

  /// A function that computes on does not keep the process alive.
  void stop_within(milliseconds grace) {
    dispatcher_.stop();
    connection_->interrupt_streams(ErrorKind::kCancelled, "the worker ends");
    engine_.timers().schedule(Clock::now() + grace, [] { ::_exit(kExitMasterLost); });
  }

  [[noreturn]] static void on_terminate() noexcept {
    auto text = describe_current_exception();
    if (text.type.empty()) text.what = "std::terminate was called";
    if (auto* const server = g_server.load()) {
      auto const line = "cohort: " + server->name() + ": terminates: " + text.type +
                        (text.type.empty() || text.what.empty() ? "" : ": ") + text.what + '\n';
      std::fflush(stdout);
      [[maybe_unused]] auto const written = ::write(STDERR_FILENO, line.data(), line.size());
      server->report_death(text);
    }
    std::abort();
  }

  AppTypes const types_;
  BootRecord const boot_;
  std::string const host_;
  Engine engine_;
  Dispatcher dispatcher_;
  std::shared_ptr<Connection> connection_;
  std::shared_ptr<Client> client_;
  std::uint32_t type_ = 0;
  void* object_ = nullptr;
  std::atomic<bool> master_lost_{false};
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

/// The same before the program's static initialisers, which may take long.
[[gnu::constructor(101)]] void die_with_parent_from_the_start() {
  char const* const value = std::getenv(kWorkerVariable);
  char const* const colon = value != nullptr ? std::strchr(value, ':') : nullptr;
  if (colon != nullptr) die_with_parent(std::atoi(colon + 1));
}

void close_on_exec(int descriptor) {
  int const flags = check(::fcntl(descriptor, F_GETFD), "fcntl(F_GETFD)");
  check(::fcntl(descriptor, F_SETFD, flags | FD_CLOEXEC), "fcntl(F_SETFD)");
}

}  // namespace

bool is_worker_process() noexcept { return std::getenv(kWorkerVariable) != nullptr; }

int run_worker(AppTypes types) {
  keep_freed_memory();
  auto const host = host_name();
  std::string who = "worker";
  try {
    UniqueFd pipe(std::atoi(std::getenv(kWorkerVariable)));
    ::unsetenv(kWorkerVariable);  // what this process starts is not a worker
    auto boot = read_boot_record(std::move(pipe), Deadline::after(kBootTimeout));
    who += ' ' + boot.id.to_string();
    std::setvbuf(stdout, nullptr, _IOLBF, 0);  // lines travel when they are written
    die_with_parent(boot.parent_pid);
    auto const deadline = Deadline::after(boot.settings.handshake_timeout);
    UniqueFd socket = boot.inherited_socket >= 0 ? UniqueFd(boot.inherited_socket)
                                                 : connect_tcp(boot.master, deadline);
    close_on_exec(socket.get());
    handshake_with_master(socket.get(), boot.secret, describe(types),
                          {.serial = boot.serial, .pid = ::getpid(), .host = host}, deadline);
    return WorkerServer(types, std::move(boot), host).run(std::move(socket));
  } catch (std::exception const& error) {
    std::fprintf(stderr, "cohort: %s (%s, pid %d) cannot go on: %s\n", who.c_str(), host.c_str(),
                 static_cast<int>(::getpid()), error.what());
    return kExitCannotJoin;
  }
}

}  // namespace cohort
