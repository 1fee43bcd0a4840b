// Keeps a group of workers busy with tasks, a few in flight on each; a task that loses its worker
// is run again on another one. One thread drives a runner; it owns no thread of its own.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "core/future.h"
#include "jobs/worker_group.h"
#include "launch/worker.h"

namespace cohort {

/// What became of one task: its result, or the error that it ended with.
template <class T>
class Outcome {
 public:
  Outcome(std::size_t index, std::variant<T, Error> value)
      : index_(index), value_(std::move(value)) {}

  /// The task's place in the input, from 0.
  [[nodiscard]] std::size_t index() const noexcept { return index_; }
  [[nodiscard]] bool ok() const noexcept { return value_.index() == 0; }
  /// The result. Throws the error where there is one.
  [[nodiscard]] T& get() {
    if (auto* error = std::get_if<1>(&value_)) throw Error(*error);
    return std::get<0>(value_);
  }
  /// Only where !ok().
  [[nodiscard]] Error const& error() const { return std::get<1>(value_); }

 private:
  std::size_t index_;
  std::variant<T, Error> value_;
};

template <class W, class T>
class TaskRunner {
 public:
  /// Starts the task on that worker. May be called again where the worker was lost.
  using Start = std::function<Future<T>(Worker<W> const&)>;

  TaskRunner(WorkerGroup<W>& group, std::uint32_t in_flight_per_worker)
      : group_(group),
        load_(group.size(), 0),
        first_lost_(group.size()),
        in_flight_(in_flight_per_worker) {}
  TaskRunner(TaskRunner const&) = delete;
  TaskRunner& operator=(TaskRunner const&) = delete;
  /// Cancels what is in flight.
  ~TaskRunner() { cancel(); }

  /// True while another task would go to a worker at once.
  [[nodiscard]] bool has_room() const noexcept { return left() < capacity(); }
  /// Tasks that were submitted and not given out by next().
  [[nodiscard]] std::size_t left() const noexcept { return running_ + waiting_.size(); }
  [[nodiscard]] std::size_t capacity() const noexcept { return load_.size() * in_flight_; }

  void submit(std::size_t index, Start start) {
    waiting_.push_back({.index = index, .start = std::move(start)});
    start_waiting();
  }

  /// Waits for a task to end, whichever is first. Nothing where none is left. Throws Error where
  /// no worker is left and none can be started.
  [[nodiscard]] std::optional<Outcome<T>> next() {
    while (left() > 0) {
      start_waiting();
      auto const slot = watch_.next();
      if (auto outcome = finish(*slot)) {
        start_waiting();
        return outcome;
      }
    }
    return std::nullopt;
  }

  void cancel() {
    waiting_.clear();
    for (auto& task : running_tasks_) {
      if (task.future.valid()) task.future.cancel();
    }
  }

 private:
  struct Task {
    std::size_t index = 0;
    Start start{};
    Future<T> future{};
    std::size_t worker = 0;
    typename WorkerGroup<W>::Generation generation{};
    std::uint64_t order = 0;   // of the starts; a worker runs its tasks in this order
    std::uint32_t losses = 0;  // workers that were lost while they ran it
  };

  void start_waiting() {
    while (!waiting_.empty() && running_ < capacity()) {
      auto task = std::move(waiting_.front());
      waiting_.pop_front();
      std::size_t least = 0;
      for (std::size_t i = 1; i < load_.size(); ++i) {
        if (load_[i] < load_[least]) least = i;
      }
      auto const [worker, generation] = group_.at(least);
      task.worker = least;
      task.generation = generation;
      task.order = ++last_order_;
      task.future = task.start(*worker);
      ++load_[least];
      ++running_;
      std::size_t slot = running_tasks_.size();
      if (free_slots_.empty()) {
        running_tasks_.push_back(std::move(task));
      } else {
        slot = free_slots_.back();
        free_slots_.pop_back();
        running_tasks_[slot] = std::move(task);
      }
      watch_.add(running_tasks_[slot].future, slot);
    }
  }

  std::optional<Outcome<T>> finish(std::size_t slot) {
    auto task = std::move(running_tasks_[slot]);
    free_slots_.push_back(slot);
    --running_;
    --load_[task.worker];
    try {
      return Outcome<T>(task.index, task.future.get());
    } catch (Error const& error) {
      if (error.kind() != ErrorKind::kDisconnected) return Outcome<T>(task.index, error);
      group_.replace(task.worker, task.generation);
      if (was_running(task) && ++task.losses >= group_.losses_to_give_up()) {
        return Outcome<T>(task.index, error);
      }
    } catch (std::exception const& error) {
      // The reply did not decode: the task is to blame, not the worker.
      return Outcome<T>(task.index, Error(ErrorKind::kProtocol, error.what()));
    }
    task.future = {};
    waiting_.push_front(std::move(task));
    return std::nullopt;
  }

  /// Of the tasks that are lost with a worker only the one that it ran is to blame: the first.
  bool was_running(Task const& lost) {
    auto& first = first_lost_[lost.worker];
    if (first.generation != lost.generation || first.order == 0) {
      first = {lost.generation, lost.order};
      for (auto const& other : running_tasks_) {
        bool const shared_its_worker = other.future.valid() && other.worker == lost.worker &&
                                       other.generation == lost.generation;
        if (shared_its_worker) first.order = std::min(first.order, other.order);
      }
    }
    return first.order == lost.order;
  }

  struct FirstLost {
    typename WorkerGroup<W>::Generation generation{};
    std::uint64_t order = 0;
  };

  WorkerGroup<W>& group_;
  std::vector<std::uint32_t> load_;    // tasks in flight on each worker
  std::vector<FirstLost> first_lost_;  // by worker, of the last one that was lost there
  std::uint32_t const in_flight_;
  std::uint64_t last_order_ = 0;
  std::size_t running_ = 0;
  std::deque<Task> waiting_;
  std::vector<Task> running_tasks_;  // by slot; the futures' tags
  std::vector<std::size_t> free_slots_;
  CompletionWatch watch_;
};

}  // namespace cohort
