#include "launch/worker.h"

namespace cohort::detail {

void let_go(std::shared_ptr<WorkerHandle> remote) {
  if (remote->connection()->birthplace().is_elsewhere()) return abandon(std::move(remote));
  remote->release();
}

WorkerAddress address_of(std::shared_ptr<Connection> const& connection) {
  auto endpoint = call_builtin<&Server::endpoint>(connection);
  auto settings = call_builtin<&Server::settings>(connection);
  auto const& peer = connection->peer();
  return {peer.worker.path(), peer.name, peer.host, peer.pid, endpoint.get(), settings.get()};
}

void open_session(std::shared_ptr<Connection> const& connection, Message& init) {
  auto* const state = new CallState(connection->engine(), connection, "constructor of the Session");
  Future<void> opened(state);
  connection->call(kOpenSessionFunction, init, *state);
  opened.get();
}

}  // namespace cohort::detail
