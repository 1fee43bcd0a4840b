// A handle on a worker that reconnects: for long-lived clients of workers that others spawned.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <tuple>
#include <utility>

#include "core/fork.h"
#include "launch/loss_teller.h"
#include "launch/spawn.h"

namespace cohort {

/// Connects when it is first called, and again by the next call after its connection was lost.
/// Calls that were under way when that happened fail as kDisconnected, and are never made twice:
/// only their caller knows whether that would do harm. Each loss is told to `on_loss` once, when it
/// happens, on the thread of on_failure; what it throws is a line in the log. A call that finds the
/// connection lost waits until that was told, and then reconnects; on_loss may call through the
/// handle itself. A Session is opened anew with each connection, from the same arguments. Where the
/// worker is gone for good, a call throws what connect() throws. Any thread may call; while one
/// connects, which takes as long as connect(), the others wait. It may outlive the Cluster. When it
/// goes, it waits for an on_loss that runs, save in that itself.
template <class W, class... SessionInit>
class Managed {
 public:
  /// Does not connect yet. `runtime` is Cluster::runtime().
  Managed(std::shared_ptr<Runtime> runtime, WorkerRef<W> ref, std::function<void()> on_loss = {},
          SessionInit... session_init)
      : runtime_(std::move(runtime)),
        ref_(std::move(ref)),
        teller_(std::make_shared<LossTeller>(std::move(on_loss))),
        session_init_(std::move(session_init)...) {}
  /// The same, by way of a cluster.
  Managed(Cluster& cluster, WorkerRef<W> ref, std::function<void()> on_loss = {},
          SessionInit... session_init)
      : Managed(cluster.runtime(), std::move(ref), std::move(on_loss), std::move(session_init)...) {
  }

  Managed(Managed const&) = delete;
  Managed& operator=(Managed const&) = delete;
  ~Managed() {
    if (birthplace_.is_elsewhere()) {  // whose locks its parent's threads may hold
      abandon(std::move(sync_));
      abandon(std::move(worker_));
      abandon(std::shared_ptr<LossTeller>(teller_));
      return;
    }
    {
      std::lock_guard const lock(sync_->mutex);
      worker_.reset();
    }
    teller_->close(*runtime_);
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
  /// @cond
  template <detail::NotAFunction What, class... Args>
  typename detail::NamedFunction<What>::Result call(What const&, Args&&...);
  /// @endcond
  /// The worker of the present connection, for open(), stream(), post(): made where there is none.
  /// Ask anew for each use: one that is kept keeps its connection, and does not reconnect. Throws
  /// what connect() throws.
  [[nodiscard]] std::shared_ptr<Worker<W> const> connected() {
    birthplace_.require_here();
    std::unique_lock lock(sync_->mutex);
    for (;;) {
      sync_->settled.wait(lock, [this] { return !connecting_; });
      if (!worker_) break;
      bool const is_lost = !worker_->alive();
      auto const losses = is_lost ? number_ : number_ - 1;
      if (!teller_->has_told(losses, *runtime_)) {
        lock.unlock();
        teller_->wait_for(losses, *runtime_);
        lock.lock();
        continue;
      }
      if (is_lost) break;
      return worker_;
    }
    auto const lost = std::exchange(worker_, nullptr);
    connecting_ = true;  // others wait for this one connection
    lock.unlock();
    Connecting fresh{*this};
    if (teller_->tells())
      runtime_->failures.start();  // a loss is told, though no thread can be had
    auto const client = RemoteClient::connect(runtime_, ref_.address);
    auto worker = std::make_shared<Worker<W> const>(client);
    std::apply([&](auto const&... init) { detail::open_first_session(*worker, init...); },
               session_init_);
    fresh.number = teller_->watch(*client, runtime_);
    fresh.worker = std::move(worker);
    return fresh.worker;
  }

 private:
  /// However it ends: where it threw, the next one tries.
  struct Connecting {
    Managed& managed;
    std::shared_ptr<Worker<W> const> worker{};
    std::uint64_t number = 0;
    ~Connecting() {
      std::lock_guard const lock(managed.sync_->mutex);
      managed.worker_ = worker;
      if (worker) managed.number_ = number;
      managed.connecting_ = false;
      managed.sync_->settled.notify_all();
    }
  };

  Birthplace const birthplace_;
  std::shared_ptr<Runtime> const runtime_;
  WorkerRef<W> const ref_;
  std::shared_ptr<LossTeller> const teller_;
  std::tuple<SessionInit...> const session_init_;
  struct Sync {
    std::mutex mutex;
    std::condition_variable settled;
  };
  std::unique_ptr<Sync> sync_ = std::make_unique<Sync>();
  bool connecting_ = false;
  std::shared_ptr<Worker<W> const> worker_;
  std::uint64_t number_ = 0;  // which of its connections that is
};

}  // namespace cohort
