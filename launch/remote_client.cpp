#include "launch/remote_client.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <stdexcept>
#include <system_error>

#include <unistd.h>

#include "core/start_thread.h"
#include "launch/handshake.h"
#include "transports/stream_channel.h"

namespace cohort {
namespace {

constexpr std::chrono::milliseconds kFirstLook{1};
constexpr std::chrono::milliseconds kLongestLook{100};

/// What was sent before the handle went reaches the worker, and its answers whoever waits for them.
void finish_what_was_sent(Runtime const& runtime, RemoteClient& client) {
  auto const& connection = client.connection();
  for (auto look = kFirstLook; connection->is_awaited() && !runtime.hurries.load();
       look = std::min(2 * look, kLongestLook)) {
    if (client.wait_until_ended(Deadline::after(look))) return;
  }
  static_cast<void>(connection->drain(Deadline::after(connection->settings().shutdown_timeout)));
}

/// Instead of `delete`, which closes the connection. Nobody is made to wait.
void let_go(std::shared_ptr<Runtime> const& runtime, RemoteClient* client) noexcept {
  auto const& connection = client->connection();
  if (connection == nullptr || connection->lost() ||
      (connection->unsent() == 0 && !connection->is_awaited())) {
    delete client;
    return;
  }
  runtime->endings.fetch_add(1);
  auto const finish = [runtime, client] {
    finish_what_was_sent(*runtime, *client);
    delete client;
    runtime->endings.fetch_sub(1);
    runtime->endings.notify_all();
  };
  try {
    start_thread("the end of a connection", finish).detach();
  } catch (Error const&) {  // then it ends at once
    delete client;
    runtime->endings.fetch_sub(1);
    runtime->endings.notify_all();
  }
}

}  // namespace

std::vector<std::uint32_t> parse_worker_path(std::string const& id) {
  std::vector<std::uint32_t> path;
  char const* at = id.data();
  char const* const end = at + id.size();
  while (id != WorkerId().to_string()) {
    auto const [stop, error] = std::from_chars(at, end, path.emplace_back());
    if (error == std::errc{} && stop == end) break;
    if (error != std::errc{} || *stop != '.') {
      throw std::invalid_argument('"' + id + "\" is no worker's number");
    }
    at = stop + 1;
  }
  return path;
}

std::shared_ptr<RemoteClient> RemoteClient::connect(std::shared_ptr<Runtime> runtime,
                                                    WorkerAddress const& address) {
  runtime->engine.birthplace().require_here();
  Provenance place{.worker = WorkerId(address.path),
                   .name = address.name,
                   .host = address.host,
                   .pid = address.pid};
  std::shared_ptr<RemoteClient> const client(
      new RemoteClient(runtime), [runtime](RemoteClient* last) { let_go(runtime, last); });
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
  if (connection_) connection_->close(ErrorKind::kDisconnected, kHandleIsGone);
}

/// The last owner lets go of it next: see let_go().
void RemoteClient::release() { tell_nobody(); }

void RemoteClient::drop_connection() {
  connection_->close(ErrorKind::kDisconnected, "the connection was dropped");
  runtime_->engine.run_locked([this] { lose(); });
}

void RemoteClient::kill() {
  throw Error(ErrorKind::kRefused, "only the process that spawned a worker can kill it",
              connection_->peer());
}

}  // namespace cohort
