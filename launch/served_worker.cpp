#include "launch/served_worker.h"

#include <utility>

#include "transports/inproc_channel.h"

namespace cohort {

ServedWorker::ServedWorker(std::shared_ptr<Runtime> runtime, WorkerId id, Settings const& settings,
                           SpawnOptions const& options)
    : runtime_(std::move(runtime)),
      server_(std::make_shared<Server>(
          runtime_, id, settings,
          Server::Hooks{.on_owner_end = [this](End) { server_->stop(); },
                        .on_shutdown = [this] { server_->stop(); },
                        .on_background_failure =
                            [this, on_failure = options.on_failure](RemoteFailure what) {
                              auto where = connection_->peer();
                              where.function = std::move(what.function);
                              Error const error(ErrorKind::kFailed, std::move(what.text),
                                                std::move(where), std::move(what.exception_type));
                              runtime_->engine.callbacks().post([on_failure, error] {
                                if (on_failure) {
                                  on_failure(error);
                                } else {
                                  log(LogLevel::kWarning, error.what());
                                }
                              });
                              server_->stop();
                            }})) {
  auto [ours, theirs] = make_inproc_pair();
  auto place = runtime_->here();
  auto const caller = place;
  place.worker = std::move(id);
  place.name = options.name;
  connection_ = std::make_shared<Connection>(runtime_->engine, std::move(ours), settings,
                                             std::move(place), *this);
  connection_->start();
  server_->add_client(std::move(theirs), caller, {}, true);
  thread_ = std::thread([this, patience = settings.shutdown_timeout] {
    server_->run();
    server_->say_goodbye(true, Deadline::after(patience));
  });
}

ServedWorker::~ServedWorker() {
  server_->stop();
  thread_.join();
  connection_->close(ErrorKind::kDisconnected, "the worker was shut down");
}

void ServedWorker::release() { shut_down(); }

void ServedWorker::shut_down() { server_->stop(); }

bool ServedWorker::wait_until_ended(Deadline deadline) {
  return runtime_->engine.wait(ended_, deadline);
}

void ServedWorker::on_end(End, std::string) {
  connection_->fail_pending(ErrorKind::kDisconnected, "the worker was shut down");
  ended_.set(runtime_->engine);
}

}  // namespace cohort
