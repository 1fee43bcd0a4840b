// Workers of one type that stand in for each other; a lost one is replaced in its place. Knows what
// every operation of a pool has started on each, and so which task was running when one was lost.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "jobs/attempt.h"
#include "launch/cluster.h"
#include "launch/log.h"
#include "launch/spawn.h"

namespace cohort {

/// How a Pool is made up.
struct PoolOptions {
  /// The workers, also those that replace others; `count` 0 takes the cluster's number. on_failure
  /// hears of each that is lost.
  SpawnOptions spawn{};
  /// Tasks on their way to each worker or in it, at least 1: more than one hides the latency
  /// between them.
  std::uint32_t in_flight = 2;
  /// A task that had this many workers lost under it is given up with the last loss as its error.
  std::uint32_t losses_to_give_up = 3;
};

/// Any thread. One lock for all: who starts a task waits while a worker is being replaced.
template <class W>
class WorkerGroup {
 public:
  /// Throws std::invalid_argument for options without sense, and what spawn throws.
  template <class... Init>
  WorkerGroup(Cluster& cluster, PoolOptions options, Init&&... init)
      : cluster_(cluster),
        options_(checked(std::move(options))),
        init_(detail::encode_init<W>(init_value_, std::forward<Init>(init)...)) {
    for (auto& worker : detail::spawn_encoded<W>(cluster_, options_.spawn, init_)) {
      places_.emplace_back().worker.emplace(std::move(worker));
    }
  }

  /// Places for a worker, filled or not.
  [[nodiscard]] std::size_t size() const noexcept { return places_.size(); }
  [[nodiscard]] std::uint32_t in_flight() const noexcept { return options_.in_flight; }
  [[nodiscard]] std::uint32_t losses_to_give_up() const noexcept {
    return options_.losses_to_give_up;
  }
  /// Places that have a worker: all, save those whose replacement could not be started.
  [[nodiscard]] std::size_t filled() const {
    std::lock_guard const lock(mutex_);
    return count_filled();
  }

  /// Lets `begin(worker)`, which gives a shared_ptr to an attempt, start a task on the filled place
  /// that has the least of `load`, and returns that place; nothing where all are empty.
  template <class Begin>
  [[nodiscard]] std::optional<std::size_t> start(std::vector<std::uint32_t> const& load,
                                                 Begin const& begin) {
    std::lock_guard const lock(mutex_);
    std::optional<std::size_t> least;
    for (std::size_t i = 0; i < places_.size(); ++i) {
      if (places_[i].worker && (!least || load[i] < load[*least])) least = i;
    }
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
  /// The attempt was lost with its worker, which is replaced by one with the same init and index,
  /// unless that was done already. Where none can be started, a line in the log says why and the
  /// place stays empty. Returns whether the worker was running this attempt.
  [[nodiscard]] bool note_loss(Attempt const& attempt) {
    std::lock_guard const lock(mutex_);
    auto& place = places_[attempt.place_];
    if (place.worker && place.generation == attempt.generation_) {
      blame(place);
      place.worker.reset();
      try {
        fill(attempt.place_);
      } catch (std::exception const& error) {
        log_empty(attempt.place_, error.what());
      }
    }
    return attempt.to_blame_;
  }

  /// Where no place is filled, fills those that it can. Throws the last failure where none.
  void require_a_worker() {
    std::lock_guard const lock(mutex_);
    std::exception_ptr failure;
    for (std::size_t i = 0; i < places_.size() && count_filled() == 0; ++i) {
      try {
        fill(i);
      } catch (std::exception const&) {
        failure = std::current_exception();
      }
    }
    if (count_filled() == 0 && failure) std::rethrow_exception(failure);
  }

 private:
  struct Place {
    std::optional<Worker<W>> worker;
    std::uint32_t generation = 0;  // which one it is of those that have been there
    // In the order of their starts, which is that in which the worker runs them; without those of
    // which it is known that it is done with them.
    std::vector<std::shared_ptr<Attempt>> started;
  };

  static PoolOptions checked(PoolOptions options) {
    if (options.in_flight == 0) {
      throw std::invalid_argument(
          "cohort: PoolOptions::in_flight is 0: with no task on its way to a worker, none runs");
    }
    return options;
  }
  static auto find(Place& place, Attempt const& attempt) {
    return std::find_if(place.started.begin(), place.started.end(),
                        [&](auto const& each) { return each.get() == &attempt; });
  }
  [[nodiscard]] std::size_t count_filled() const {
    return static_cast<std::size_t>(
        std::count_if(places_.begin(), places_.end(),
                      [](Place const& place) { return place.worker.has_value(); }));
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

  void log_empty(std::size_t index, std::string const& why) const {
    // The first line alone: the worker's last words on stderr may follow it.
    log(LogLevel::kError,
        "place " + std::to_string(index) + " of a pool of " + std::to_string(places_.size()) +
            " stays empty, since no worker can be started there: " + why.substr(0, why.find('\n')));
  }

  void fill(std::size_t index) {
    auto options = options_.spawn;
    options.count = 1;
    auto fresh = detail::spawn_encoded<W>(
        cluster_, options, init_,
        {static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(places_.size())});
    auto& place = places_[index];
    place.worker.emplace(std::move(fresh.front()));
    ++place.generation;
  }

  Cluster& cluster_;
  PoolOptions const options_;
  std::shared_ptr<void const> init_value_;  // what init_ borrows from
  std::shared_ptr<Message const> const init_;
  std::mutex mutable mutex_;
  std::vector<Place> places_;
};

}  // namespace cohort
