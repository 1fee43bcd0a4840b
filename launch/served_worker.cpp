#include "launch/served_worker.h"

#include <utility>

#include "transports/inproc_channel.h"

namespace cohort {

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

void ServedWorker::die_of(RemoteFailure what, OnFailure const& on_failure) {
  auto where = connection_->peer();
  where.function = std::move(what.function);
  runtime_->tell_of(Error(ErrorKind::kFailed, std::move(what.text), std::move(where),
                          std::move(what.exception_type)),
                    on_failure);
  server_->stop();
}

}  // namespace cohort
