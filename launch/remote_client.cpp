#include "launch/remote_client.h"

#include <cerrno>
#include <stdexcept>
#include <system_error>

#include <unistd.h>

#include "launch/handshake.h"
#include "transports/stream_channel.h"

namespace cohort {

std::shared_ptr<RemoteClient> RemoteClient::connect(std::shared_ptr<Runtime> runtime,
                                                    WorkerAddress const& address) {
  runtime->engine.birthplace().require_here();
  Provenance place{.worker = WorkerId(address.path),
                   .name = address.name,
                   .host = address.host,
                   .pid = address.pid};
  auto client = std::make_shared<RemoteClient>(runtime);
  auto const deadline = Deadline::after(address.settings.handshake_timeout);
  try {
    auto socket = connect_to(address.endpoint, deadline);
    handshake_with_master(socket.get(), runtime->secret, runtime->description,
                          {.serial = 0, .pid = ::getpid(), .host = runtime->host}, deadline);
    client->connection_ = std::make_shared<Connection>(
        runtime->engine, std::make_unique<StreamChannel>(std::move(socket)), address.settings,
        std::move(place), *client);
  } catch (std::system_error const& error) {
    bool const late = error.code().value() == ETIMEDOUT;
    throw Error(
        late ? ErrorKind::kTimedOut : ErrorKind::kDisconnected,
        std::string("cannot reach it at ") + address.endpoint.to_string() + ": " + error.what(),
        std::move(place));
  } catch (HangUp const& error) {
    throw Error(ErrorKind::kDisconnected, error.what(), std::move(place));
  } catch (std::runtime_error const& error) {
    throw Error(ErrorKind::kRefused, error.what(), std::move(place));
  }
  client->connection_->start();
  return client;
}

RemoteClient::~RemoteClient() {
  if (connection_) connection_->close(ErrorKind::kDisconnected, "the connection was closed");
}

void RemoteClient::release() {
  connection_->close(ErrorKind::kDisconnected, "the handle on this worker is gone");
  set_ended();
}

void RemoteClient::drop_connection() {
  connection_->close(ErrorKind::kDisconnected, "the connection was dropped");
}

void RemoteClient::kill() {
  throw Error(ErrorKind::kRefused, "only the process that spawned a worker can kill it",
              connection_->peer());
}

}  // namespace cohort
