// Workers of one type that stand in for each other; a lost one is replaced in its place, by the
// Replacer. Knows what every operation of a pool has started on each, and so which task was running
// when one was lost.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "core/fork.h"
#include "jobs/attempt.h"
#include "jobs/pool_options.h"
#include "jobs/replacer.h"
#include "launch/cluster.h"
#include "launch/spawn.h"

namespace cohort {

/// Any thread.
template <class W>
class WorkerGroup {
 public:
  /// Throws std::invalid_argument for options without sense, and what a Replacer throws.
  template <class... Init>
  WorkerGroup(Cluster& cluster, PoolOptions const& options, Init&&... init)
      : options_(checked(cluster, options)),
        init_(detail::encode_init<W>(init_value_, std::forward<Init>(init)...)),
        engine_(cluster.engine()),
        places_(options_.spawn.count),
        replacer_(std::make_unique<Replacer>(
            cluster, detail::worker_type_id<W>(cluster.types()), init_, options_,
            [this](std::size_t index, std::shared_ptr<WorkerHandle> worker) {
              std::lock_guard const lock(mutex_);
              places_[index].worker.emplace(std::move(worker));
              ++places_[index].generation;
            })) {}
  WorkerGroup(WorkerGroup const&) = delete;
  WorkerGroup& operator=(WorkerGroup const&) = delete;
  /// A forked child has neither the replacer's thread nor its locks.
  ~WorkerGroup() {
    if (birthplace_.is_elsewhere()) abandon(std::move(replacer_));
  }

  /// Places for a worker, filled or not.
  [[nodiscard]] std::size_t size() const noexcept { return places_.size(); }
  [[nodiscard]] std::uint32_t in_flight() const noexcept { return options_.in_flight; }
  [[nodiscard]] std::uint32_t losses_to_give_up() const noexcept {
    return options_.losses_to_give_up;
  }
  [[nodiscard]] Engine& engine() const noexcept { return engine_; }
  [[nodiscard]] Replacer& replacer() noexcept { return *replacer_; }
  /// Tasks that can be on their way to the workers that there are, or in them.
  [[nodiscard]] std::size_t capacity() const noexcept {
    return replacer_->working() * options_.in_flight;
  }
  /// Workers that can be called now.
  [[nodiscard]] std::size_t working() const {
    std::lock_guard const lock(mutex_);
    return static_cast<std::size_t>(
        std::count_if(places_.begin(), places_.end(),
                      [](Place const& place) { return place.worker && place.worker->alive(); }));
  }

  /// Lets `begin(worker)`, which gives a shared_ptr to an attempt, start a task on the filled place
  /// that has the least of `load`, and returns that place; nothing where all are empty.
  template <class Begin>
  [[nodiscard]] std::optional<std::size_t> start(std::vector<std::uint32_t> const& load,
                                                 Begin const& begin) {
    std::lock_guard const lock(mutex_);
    auto const least = least_loaded(load);
    if (!least) return std::nullopt;
    auto& place = places_[*least];
    std::shared_ptr<Attempt> attempt = begin(std::as_const(*place.worker));
    attempt->place_ = *least;
    attempt->generation_ = place.generation;
    place.started.push_back(std::move(attempt));
    return least;
  }

  /// The worker answered: it is done with this attempt and all before it.
  void note_answer(Attempt const& attempt) {
    std::lock_guard const lock(mutex_);
    auto& place = places_[attempt.place_];
    auto const found = find(place, attempt);
    if (found != place.started.end()) place.started.erase(place.started.begin(), found + 1);
  }
  /// The call never was on its way.
  void note_refusal(Attempt const& attempt) {
    std::lock_guard const lock(mutex_);
    auto& place = places_[attempt.place_];
    auto const found = find(place, attempt);
    if (found != place.started.end()) place.started.erase(found);
  }
  /// The attempt was lost with its worker, which is to be replaced by one with the same init and
  /// index, unless that is known already. Returns whether the worker was running this attempt.
  [[nodiscard]] bool note_loss(Attempt const& attempt) {
    std::lock_guard const lock(mutex_);
    auto const& place = places_[attempt.place_];
    if (place.worker && place.generation == attempt.generation_) lose(attempt.place_);
    return attempt.to_blame_;
  }

 private:
  struct Place {
    std::optional<Worker<W>> worker;
    std::uint32_t generation = 0;  // which one it is of those that have been there
    // In the order of their starts, which is that in which the worker runs them; without those of
    // which it is known that it is done with them.
    std::vector<std::shared_ptr<Attempt>> started;
  };

  static PoolOptions checked(Cluster const& cluster, PoolOptions options) {
    check(options);
    check_without_pipes(options.spawn);
    if (options.spawn.count == 0) options.spawn.count = cluster.workers();
    return options;
  }
  static auto find(Place& place, Attempt const& attempt) {
    return std::find_if(place.started.begin(), place.started.end(),
                        [&](auto const& each) { return each.get() == &attempt; });
  }
  /// Of the places that have a worker. One that died unnoticed is given no task: that would be
  /// blamed for its loss.
  std::optional<std::size_t> least_loaded(std::vector<std::uint32_t> const& load) {
    for (;;) {
      std::optional<std::size_t> least;
      for (std::size_t i = 0; i < places_.size(); ++i) {
        if (places_[i].worker && (!least || load[i] < load[*least])) least = i;
      }
      if (!least || places_[*least].worker->alive()) return least;
      lose(*least);
    }
  }
  void lose(std::size_t index) {
    blame(places_[index]);
    places_[index].worker.reset();
    replacer_->lost(index);
  }

  /// Of all that is lost with a worker only what it ran is to blame: the first after the last that
  /// it answered. Nobody, where that was cancelled: it may have been skipped, too.
  static void blame(Place& place) {
    Attempt* first = nullptr;
    bool cancelled = false;
    for (auto const& attempt : place.started) {
      auto const state = attempt->state();
      if (state == Attempt::State::kAnswered) {
        first = nullptr;
        cancelled = false;
      } else if (state == Attempt::State::kCancelled) {
        cancelled = cancelled || first == nullptr;
      } else if (state != Attempt::State::kRefused && first == nullptr) {
        first = attempt.get();
      }
    }
    if (first != nullptr && !cancelled) first->to_blame_ = true;
    place.started.clear();
  }

  Birthplace const birthplace_;
  PoolOptions const options_;
  std::shared_ptr<void const> init_value_;  // what init_ borrows from
  std::shared_ptr<Message const> const init_;
  Engine& engine_;
  std::mutex mutable mutex_;
  std::vector<Place> places_;
  std::unique_ptr<Replacer> replacer_;  // last: it fills the places
};

}  // namespace cohort
