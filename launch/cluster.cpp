#include "launch/cluster.h"

#include <algorithm>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "launch/boot.h"
#include "launch/handshake_source.h"
#include "launch/local_launcher.h"
#include "launch/log.h"
#include "launch/remote_worker.h"
#include "launch/session.h"
#include "transports/socket.h"

namespace cohort {
namespace {

constexpr int kBacklog = 1024;
/// More peers than this that have not proved the secret are turned away.
constexpr std::size_t kHandshakesAtMost = 2048;

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
    throw Error(
        ErrorKind::kTimedOut,
        "it was not ready within " + std::to_string(timeout.count()) + " ms (spawn_timeout)",
        (*late)->where());
  }
}

}  // namespace

/// Accepts TCP connections and hands them, once proved, to the workers that they are of.
class Cluster::Listener : public Source {
 public:
  explicit Listener(Session& session) : session_(session) {
    std::tie(socket_, endpoint_) = listen_tcp({"127.0.0.1", 0}, kBacklog);
  }

  [[nodiscard]] Endpoint const& endpoint() const noexcept { return endpoint_; }
  [[nodiscard]] int descriptor() const noexcept override { return socket_.get(); }

  bool on_readable() noexcept override {
    try {
      while (auto socket = accept_tcp(socket_.get())) greet(std::move(*socket));
    } catch (std::exception const& error) {
      log(LogLevel::kWarning, std::string("cannot take a connection: ") + error.what());
      look_away();
    }
    return true;
  }

  /// Under the I/O lock: no handshake goes on after it.
  void stop() {
    stopped_ = true;
    for (auto const& handshake : handshakes_) handshake->abandon();
    handshakes_.clear();
  }

 private:
  /// No descriptor or memory is left, and the connection that waits keeps the socket readable.
  void look_away() {
    constexpr std::chrono::milliseconds kPause{100};
    session_.engine.detach(*this);
    session_.engine.timers().schedule(Clock::now() + kPause, [weak = weak_from_this()] {
      if (auto const self = std::static_pointer_cast<Listener>(weak.lock());
          self && !self->stopped_) {
        self->session_.engine.attach(self);
      }
    });
  }

  void greet(UniqueFd socket) {
    if (handshakes_.size() >= kHandshakesAtMost) {
      log(LogLevel::kWarning,
          "a connection was turned away: " + std::to_string(handshakes_.size()) +
              " others have not proved who they are yet");
      return;
    }
    auto holder = std::make_shared<std::weak_ptr<HandshakeSource>>();
    auto handshake = std::make_shared<HandshakeSource>(
        session_, std::move(socket), [this, holder](HandshakeSource::Outcome outcome) {
          std::erase(handshakes_, holder->lock());
          route(outcome);
        });
    *holder = handshake;
    handshakes_.push_back(handshake);
    handshake->start(session_.options.settings.handshake_timeout);
  }

  void route(HandshakeSource::Outcome& outcome) {
    auto const worker = outcome.authenticated ? session_.find(outcome.claim.serial) : nullptr;
    if (outcome.refusal.empty() && worker && worker->take_connection(outcome)) return;
    if (worker && worker->refuse_connection(outcome.refusal)) return;
    log(LogLevel::kWarning, "refused a connection to " + endpoint_.host + ':' +
                                std::to_string(endpoint_.port) + ": " +
                                (outcome.refusal.empty() ? "it claims to be a worker that is not "
                                                           "expected"
                                                         : outcome.refusal));
  }

  Session& session_;
  UniqueFd socket_;
  Endpoint endpoint_;
  std::vector<std::shared_ptr<HandshakeSource>> handshakes_;
  bool stopped_ = false;
};

Cluster::Cluster(AppTypes types, ClusterOptions options) {
  occupy_standard_descriptors();
  session_ = std::make_unique<Session>(types, options);
  if (options.transport == Transport::kTcp) {
    listener_ = std::make_shared<Listener>(*session_);
    session_->engine.attach(listener_);
  }
}

Cluster::~Cluster() {
  auto const workers = session_->all();
  for (auto const& worker : workers) worker->shut_down();
  auto const patience = session_->options.settings.shutdown_timeout + std::chrono::seconds(5);
  auto const deadline = Deadline::after(patience);
  for (auto const& worker : workers) {
    if (!worker->wait_until_ended(deadline)) {
      log(LogLevel::kError, "worker " + worker->id().to_string() + " does not end, even killed");
    }
  }
  // Also where there is no listener: the handler that told of the last end may still run.
  session_->engine.run_locked([this] {
    if (!listener_) return;
    listener_->stop();
    session_->engine.detach(*listener_);
  });
}

std::uint32_t Cluster::workers() const noexcept {
  auto const chosen = session_->options.workers;
  return chosen != 0 ? chosen : usable_cores();
}

ClusterOptions const& Cluster::options() const noexcept { return session_->options; }
AppTypes Cluster::types() const noexcept { return session_->types; }
Engine& Cluster::engine() noexcept { return session_->engine; }

std::vector<std::shared_ptr<RemoteWorker>> Cluster::spawn_workers(
    WorkerTypeId type, SpawnOptions const& options, std::shared_ptr<Message const> init,
    Places places) {
  auto const deadline = Deadline::after(options.spawn_timeout);
  auto const count = options.count != 0 ? options.count : this->workers();
  auto const group_size = places.group_size != 0 ? places.group_size : count;
  std::vector<std::shared_ptr<RemoteWorker>> workers;
  std::vector<std::uint32_t> serials;
  for (std::uint32_t index = 0; index < count; ++index) {
    serials.push_back(session_->next_serial());
    workers.push_back(std::make_shared<RemoteWorker>(
        *session_, serials.back(), ConstructRequest{type, places.first + index, group_size, init},
        options.on_failure));
    session_->add(serials.back(), workers.back());
  }
  session_->starter.run([&] { start_processes(workers, serials, options); });

  try {
    wait_until_constructed(workers, deadline, options.spawn_timeout);
    return workers;
  } catch (...) {
    for (auto const& worker : workers) worker->shut_down();
    auto const patience =
        Deadline::after(session_->options.settings.shutdown_timeout + std::chrono::seconds(5));
    for (auto const& worker : workers) static_cast<void>(worker->wait_until_ended(patience));
    throw;
  }
}

void Cluster::start_processes(std::span<std::shared_ptr<RemoteWorker> const> workers,
                              std::span<std::uint32_t const> serials, SpawnOptions const& options) {
  BootRecord boot{.secret = session_->secret,
                  .id = {},
                  .parent_pid = ::getpid(),
                  .master = listener_ ? listener_->endpoint() : Endpoint{},
                  .settings = session_->options.settings};
  for (std::size_t i = 0; i < workers.size(); ++i) {
    boot.id = workers[i]->id();
    boot.serial = serials[i];
    try {
      workers[i]->adopt(start_local_process(boot, session_->options.transport, options));
    } catch (std::exception const& error) {
      workers[i]->fail_to_start(error.what());
    }
  }
}

}  // namespace cohort
