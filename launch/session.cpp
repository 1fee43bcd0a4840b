#include "launch/session.h"

#include "launch/remote_worker.h"

namespace cohort {

Session::Session(std::shared_ptr<Runtime> shared, WorkerId own, ClusterOptions chosen)
    : runtime(std::move(shared)),
      engine(runtime->engine),
      self(std::move(own)),
      options(std::move(chosen)) {}

std::uint32_t Session::next_serials(std::uint32_t count) {
  std::lock_guard const lock(mutex_);
  if (closing_) {
    throw Error(ErrorKind::kRefused, "the cluster is ending: it starts no more workers");
  }
  auto const first = last_serial_ + 1;
  last_serial_ += count;
  return first;
}

void Session::close() {
  std::lock_guard const lock(mutex_);
  closing_ = true;
}

bool Session::is_closing() {
  std::lock_guard const lock(mutex_);
  return closing_;
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
