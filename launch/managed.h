// A handle on a worker that reconnects: for long-lived clients of workers that others spawned.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <tuple>
#include <utility>

#include "launch/spawn.h"

namespace cohort {

/// Connects when it is first called, and again by the next call after its connection was lost.
/// Calls that were under way when that happened fail as kDisconnected, and are never made twice:
/// only their caller knows whether that would do harm. Each loss is told to `on_loss` once, by the
/// call that finds it, on its thread and before it reconnects; on_loss may call through the handle
/// itself, and what it throws, that call throws. A Session is opened anew with each connection,
/// from the same arguments. Where the worker is gone for good, a call throws what connect() throws.
/// Any thread may call; while one connects, which takes as long as connect(), the others wait. It
/// may outlive the Cluster.
template <class W, class... SessionInit>
class Managed {
 public:
  /// Does not connect yet. `runtime` is Cluster::runtime().
  Managed(std::shared_ptr<Runtime> runtime, WorkerRef<W> ref, std::function<void()> on_loss = {},
          SessionInit... session_init)
      : runtime_(std::move(runtime)),
        ref_(std::move(ref)),
        on_loss_(std::move(on_loss)),
        session_init_(std::move(session_init)...) {}
  /// The same, by way of a cluster.
  Managed(Cluster& cluster, WorkerRef<W> ref, std::function<void()> on_loss = {},
          SessionInit... session_init)
      : Managed(cluster.runtime(), std::move(ref), std::move(on_loss), std::move(session_init)...) {
  }

  /// As Worker<W>::call; throws what connected() throws.
  template <auto Member, class... Args>
  Future<ResultOf<Member>> call(Fn<Member> function, Args&&... args) {
    return connected()->call(function, std::forward<Args>(args)...);
  }
  /// The same through an adapter (core/adapt.h).
  template <auto Member, class To, class From, class... Args>
  auto call(Adapted<Member, To, From> const& adapted, Args&&... args) {
    return connected()->call(adapted, std::forward<Args>(args)...);
  }
  /// The worker of the present connection, for open(), stream(), post(): made where there is none.
  /// Ask anew for each use: one that is kept keeps its connection, and does not reconnect. Throws
  /// what connect() throws, and what on_loss throws.
  [[nodiscard]] std::shared_ptr<Worker<W> const> connected() {
    std::unique_lock lock(mutex_);
    for (;;) {
      settled_.wait(lock, [this] { return !connecting_; });
      if (worker_ && worker_->alive()) return worker_;
      if (!worker_) break;
      auto lost = std::exchange(worker_, nullptr);
      lock.unlock();  // what follows is the user's code, or waits
      lost.reset();
      if (on_loss_) on_loss_();
      lock.lock();
    }
    connecting_ = true;  // others wait for this one connection
    lock.unlock();
    Connecting fresh{*this};
    fresh.worker = std::make_shared<Worker<W> const>(std::apply(
        [&](auto const&... init) { return connect(runtime_, ref_, init...); }, session_init_));
    return fresh.worker;
  }

 private:
  /// However it ends: where it threw, the next one tries.
  struct Connecting {
    Managed& managed;
    std::shared_ptr<Worker<W> const> worker{};
    ~Connecting() {
      std::lock_guard const lock(managed.mutex_);
      managed.worker_ = worker;
      managed.connecting_ = false;
      managed.settled_.notify_all();
    }
  };

  std::shared_ptr<Runtime> const runtime_;
  WorkerRef<W> const ref_;
  std::function<void()> const on_loss_;
  std::tuple<SessionInit...> const session_init_;
  std::mutex mutex_;
  std::condition_variable settled_;
  bool connecting_ = false;
  std::shared_ptr<Worker<W> const> worker_;
};

}  // namespace cohort
