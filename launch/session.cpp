#include "launch/session.h"

#include "launch/allocator.h"
#include "launch/remote_worker.h"

namespace cohort {
Session::Session(AppTypes worker_types, ClusterOptions const& chosen)
    : options(chosen),
      types(worker_types),
      description(describe(worker_types)),
      host(host_name()),
      engine(Engine::Options{.spin = chosen.settings.spin}) {
  keep_freed_memory();
}

std::uint32_t Session::next_serial() {
  std::lock_guard const lock(mutex_);
  return ++last_serial_;
}

void Session::add(std::uint32_t serial, std::shared_ptr<RemoteWorker> worker) {
  std::lock_guard const lock(mutex_);
  workers_.emplace(serial, std::move(worker));
}

void Session::remove(std::uint32_t serial) {
  std::shared_ptr<RemoteWorker> removed;  // destroyed after the lock
  std::lock_guard const lock(mutex_);
  if (auto const found = workers_.find(serial); found != workers_.end()) {
    removed = std::move(found->second);
    workers_.erase(found);
  }
}

std::shared_ptr<RemoteWorker> Session::find(std::uint32_t serial) {
  std::lock_guard const lock(mutex_);
  auto const found = workers_.find(serial);
  return found == workers_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<RemoteWorker>> Session::all() {
  std::lock_guard const lock(mutex_);
  std::vector<std::shared_ptr<RemoteWorker>> workers;
  for (auto const& [serial, worker] : workers_) workers.push_back(worker);
  return workers;
}

}  // namespace cohort
