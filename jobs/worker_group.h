// Workers of one type that stand in for each other; a lost one is replaced in its place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "launch/cluster.h"
#include "launch/worker.h"

namespace cohort {

struct PoolOptions {
  /// The workers; `count` 0 takes the cluster's number.
  SpawnOptions spawn{};
  /// Tasks on their way to each worker or in it: more than one hides the latency between them.
  std::uint32_t in_flight = 2;
  /// A task that had this many workers lost under it is given up with the last loss as its error.
  std::uint32_t losses_to_give_up = 3;
};

/// Used by one thread at a time.
template <class W>
class WorkerGroup {
 public:
  enum class Generation : std::uint32_t {};

  template <class... Init>
  WorkerGroup(Cluster& cluster, PoolOptions options, Init&&... init)
      : cluster_(cluster),
        options_(std::move(options)),
        init_(detail::encode_init<W>(init_value_, std::forward<Init>(init)...)) {
    for (auto& worker : detail::spawn_encoded<W>(cluster_, options_.spawn, init_)) {
      places_.push_back({std::move(worker), Generation{}});
    }
  }

  [[nodiscard]] std::size_t size() const noexcept { return places_.size(); }
  [[nodiscard]] std::uint32_t in_flight() const noexcept { return options_.in_flight; }
  [[nodiscard]] std::uint32_t losses_to_give_up() const noexcept {
    return options_.losses_to_give_up;
  }

  /// The worker in that place, and which one it is of those that have been there.
  [[nodiscard]] std::pair<Worker<W> const*, Generation> at(std::size_t place) const {
    return {&places_[place].worker, places_[place].generation};
  }

  /// Starts a worker in the place of a lost one, with the same init and index, unless that was
  /// done already. Throws what spawn throws.
  void replace(std::size_t place, Generation lost) {
    auto& current = places_[place];
    if (current.generation != lost) return;
    auto options = options_.spawn;
    options.count = 1;
    auto fresh = detail::spawn_encoded<W>(
        cluster_, options, init_,
        {static_cast<std::uint32_t>(place), static_cast<std::uint32_t>(places_.size())});
    current.worker = std::move(fresh.front());
    current.generation = Generation{static_cast<std::uint32_t>(lost) + 1};
  }

 private:
  struct Place {
    Worker<W> worker;
    Generation generation;
  };

  Cluster& cluster_;
  PoolOptions const options_;
  std::shared_ptr<void const> init_value_;  // what init_ borrows from
  std::shared_ptr<Message const> const init_;
  std::vector<Place> places_;
};

}  // namespace cohort
