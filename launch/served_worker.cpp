#include "launch/served_worker.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <cxxabi.h>

#include "core/start_thread.h"
#include "transports/inproc_channel.h"

namespace cohort {
namespace {

constexpr std::chrono::milliseconds kFirstLook{1};
constexpr std::chrono::milliseconds kLongestLook{100};
constexpr std::chrono::milliseconds kTriesAgain{100};

}  // namespace

std::shared_ptr<ServedWorker> ServedWorker::start(std::shared_ptr<Runtime> runtime, WorkerId id,
                                                  Settings const& settings,
                                                  SpawnOptions const& options) {
  return {new ServedWorker(std::move(runtime), std::move(id), settings, options), &end};
}

ServedWorker::ServedWorker(std::shared_ptr<Runtime> runtime, WorkerId id, Settings const& settings,
                           SpawnOptions const& options)
    : ConnectionHandle(std::move(runtime)),
      server_(std::make_shared<Server>(
          runtime_, id, settings,
          Server::Hooks{.on_owner_end = [this](End) { server_->stop(); },
                        .on_shutdown = [this] { server_->stop(); },
                        .on_background_failure =
                            [this, on_failure = options.on_failure](RemoteFailure what) {
                              die_of(std::move(what), on_failure);
                            },
                        .on_stopped =
                            [this, patience = settings.shutdown_timeout] {
                              fail_what_waits(Deadline::after(patience));
                            }})) {
  auto [ours, theirs] = make_inproc_pair();
  auto place = runtime_->here();
  auto const caller = place;
  place.worker = std::move(id);
  place.name = options.name;
  connection_ = std::make_shared<Connection>(runtime_->engine, std::move(ours), settings,
                                             std::move(place), *this);
  connection_->start();
  inner_ = server_->add_client(std::move(theirs), caller, {}, true);
  auto const say_goodbye = [this, patience = settings.shutdown_timeout] {
    server_->say_goodbye(!failed_.load(), Deadline::after(patience));
  };
  try {
    thread_ = start_thread("a served worker", [this, say_goodbye] {
      try {
        server_->run();
      } catch (abi::__forced_unwind const&) {  // a function ended this thread
        say_goodbye();
        throw;
      }
      say_goodbye();
    });
  } catch (...) {  // no handler of theirs may run any more
    connection_->close(ErrorKind::kRefused, "no thread");
    inner_->close(ErrorKind::kRefused, "no thread");
    throw;
  }
}

ServedWorker::~ServedWorker() {
  finish_what_was_sent();
  thread_.join();
  connection_->close(ErrorKind::kDisconnected, "the worker was shut down");
}

/// As for a process (RemoteWorker::release): nothing that was sent before the handle went is lost.
void ServedWorker::finish_what_was_sent() {
  for (auto look = kFirstLook; connection_->is_awaited() && !runtime_->hurries.load();
       look = std::min(2 * look, kLongestLook)) {
    if (wait_until_ended(Deadline::after(look))) break;
  }
  if (!connection_->has_unfinished_calls()) return server_->stop();
  connection_->send_shutdown_after_calls();
  if (!wait_until_ended(Deadline::after(connection_->settings().shutdown_timeout))) {
    server_->stop();
  }
}

/// Instead of `delete`.
void ServedWorker::end(ServedWorker* worker) {
  if (!worker->waits_for_this_thread()) {
    delete worker;
    return;
  }
  auto const runtime = worker->runtime_;
  runtime->endings.fetch_add(1);
  end_elsewhere(worker, runtime);
}

/// Tries again later where no thread can be started.
void ServedWorker::end_elsewhere(ServedWorker* worker,
                                 std::shared_ptr<Runtime> const& runtime) noexcept {
  try {
    start_thread("the end of a served worker", [worker, runtime] {
      delete worker;
      runtime->endings.fetch_sub(1);
      runtime->endings.notify_all();
    }).detach();
  } catch (Error const&) {
    runtime->engine.timers().schedule(Clock::now() + kTriesAgain,
                                      [worker, weak = std::weak_ptr(runtime)] {
                                        if (auto const alive = weak.lock())
                                          end_elsewhere(worker, alive);  // it waits for `endings`
                                      });
  }
}

/// The worker's thread waits for all callbacks, and for all of on_failure where the worker has
/// workers of its own: none of them can wait for that thread. Nor can who waits for an answer.
bool ServedWorker::waits_for_this_thread() const {
  return runtime_->engine.callbacks().is_current() || runtime_->failures.is_current() ||
         thread_.get_id() == std::this_thread::get_id() ||
         (connection_ && connection_->is_awaited());
}

/// Whoever waits in a callback for a call that will not run any more would wait for ever: the end
/// of the connection comes after the callbacks. Results that are on their way still arrive.
void ServedWorker::fail_what_waits(Deadline deadline) {
  static_cast<void>(inner_->drain(deadline));
  runtime_->engine.run_locked([this] {
    while (connection_->on_readable()) {
    }
  });
  connection_->fail_pending(why_);
  server_->say_goodbye_to_others(!failed_.load(), deadline);
}

/// Only the first failure is told: it is what the worker ends of.
void ServedWorker::die_of(RemoteFailure what, OnFailure const& on_failure) {
  if (failed_.exchange(true)) return;
  server_->tell_others_of_death(what);
  auto where = connection_->peer();
  where.function = std::move(what.function);
  why_ = Error(ErrorKind::kDisconnected, std::move(what.text), std::move(where),
               std::move(what.exception_type));
  runtime_->tell_of(why_, on_failure);
  server_->stop();
}

}  // namespace cohort
