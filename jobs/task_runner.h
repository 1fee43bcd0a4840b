// Keeps a group of workers busy with the tasks of one operation, a few in flight on each; a task
// that loses its worker is run again on another one. One thread drives a runner.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "core/future.h"
#include "jobs/attempt.h"
#include "jobs/outcome.h"
#include "jobs/worker_group.h"
#include "launch/worker.h"

namespace cohort {

template <class W, class T>
class TaskRunner {
 public:
  /// Starts the task on that worker. May be called again where the worker was lost.
  using Start = std::function<Future<T>(Worker<W> const&)>;

  explicit TaskRunner(WorkerGroup<W>& group) : group_(group), load_(group.size(), 0) {}
  TaskRunner(TaskRunner const&) = delete;
  TaskRunner& operator=(TaskRunner const&) = delete;
  /// Cancels what is in flight.
  ~TaskRunner() { cancel(); }

  /// True while another task would go to a worker at once. One may wait where there is no worker:
  /// next() then waits for one, or says why none comes.
  [[nodiscard]] bool has_room() const {
    return left() < std::max<std::size_t>(group_.capacity(), 1);
  }
  /// Tasks that were submitted and not given out by next().
  [[nodiscard]] std::size_t left() const noexcept { return running_ + waiting_.size(); }

  void submit(std::size_t index, Start start) {
    if (!work_) work_.emplace(group_.replacer(), queue_);
    waiting_.push_back({.index = index, .start = std::move(start)});
    start_waiting();
  }

  /// Waits for a task to end, whichever is first; calls `refill()`, which may submit more, where
  /// there may be room meanwhile. Nothing where none is left. Throws what
  /// Replacer::wait_for_a_worker throws.
  template <class Refill>
  [[nodiscard]] std::optional<Outcome<T>> next(Refill const& refill) {
    while (left() > 0) {
      start_waiting();
      if (running_ == 0) {
        group_.replacer().wait_for_a_worker();
        continue;
      }
      auto const slot = watch_.next();
      if (!slot) continue;  // the worker was lost to another operation meanwhile
      if (*slot == Replacer::kNews) {
        work_->heard();
        start_waiting();
        refill();
        continue;
      }
      if (auto outcome = finish(*slot)) {
        start_waiting();
        return outcome;
      }
    }
    work_.reset();
    return std::nullopt;
  }

  void cancel() {
    work_.reset();
    waiting_.clear();
    for (auto& task : running_tasks_) {
      if (task.attempt) task.attempt->cancel();
    }
  }

 private:
  struct Task {
    std::size_t index = 0;
    Start start{};
    std::shared_ptr<AttemptOf<T>> attempt{};
    std::size_t place = 0;
    std::uint32_t losses = 0;  // workers that were lost while they ran it
  };

  void start_waiting() {
    while (!waiting_.empty() && running_ < group_.capacity()) {
      std::size_t const slot = take_slot();
      auto& task = running_tasks_[slot] = std::move(waiting_.front());
      waiting_.pop_front();
      std::optional<std::size_t> place;
      try {
        place = group_.start(load_, [&](Worker<W> const& worker) {
          task.attempt = std::make_shared<AttemptOf<T>>(task.start(worker));
          task.attempt->watch(watch_, slot);
          return task.attempt;
        });
      } catch (...) {  // the input cannot be encoded
        give_back(slot);
        throw;
      }
      if (!place) {
        waiting_.push_front(std::move(task));
        return give_back(slot);
      }
      task.place = *place;
      ++load_[*place];
      ++running_;
    }
  }

  std::optional<Outcome<T>> finish(std::size_t slot) {
    auto task = std::move(running_tasks_[slot]);
    give_back(slot);
    --running_;
    --load_[task.place];
    auto const state = task.attempt->state();
    if (state == Attempt::State::kAnswered) group_.note_answer(*task.attempt);
    if (state == Attempt::State::kRefused) group_.note_refusal(*task.attempt);
    bool const lost = state == Attempt::State::kLost;
    bool const gives_up =
        lost && group_.note_loss(*task.attempt) && ++task.losses >= group_.losses_to_give_up();
    if (!lost || gives_up) return Outcome<T>(task.index, task.attempt->take());
    task.attempt.reset();
    waiting_.push_front(std::move(task));
    return std::nullopt;
  }

  std::size_t take_slot() {
    if (free_slots_.empty()) {
      running_tasks_.emplace_back();
      return running_tasks_.size() - 1;
    }
    auto const slot = free_slots_.back();
    free_slots_.pop_back();
    return slot;
  }
  void give_back(std::size_t slot) {
    running_tasks_[slot] = Task{};
    free_slots_.push_back(slot);
  }

  WorkerGroup<W>& group_;
  std::vector<std::uint32_t> load_;  // this operation's tasks in flight on each place
  std::size_t running_ = 0;
  std::deque<Task> waiting_;
  std::vector<Task> running_tasks_;  // by slot; the attempts' tags
  std::vector<std::size_t> free_slots_;
  std::shared_ptr<CompletionQueue> const queue_ =
      std::make_shared<CompletionQueue>(group_.engine());
  CompletionWatch watch_{queue_};
  std::optional<Replacer::Work> work_;
};

}  // namespace cohort
