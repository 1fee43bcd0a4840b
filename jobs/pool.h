// Map and reduce over a group of workers. Inputs are any range, consumed lazily, with a bounded
// number of tasks in flight; nothing is started before its turn and nothing is lost with a worker.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/function.h"
#include "core/next_iterator.h"
#include "jobs/checked_inputs.h"
#include "jobs/reduction.h"
#include "jobs/task_runner.h"
#include "jobs/worker_group.h"

namespace cohort {

/// A result and the place of its input, from 0.
template <class T>
struct Indexed {
  std::size_t index;  ///< the place
  T value;            ///< the result
};

/// A lazy input range: `for (auto& x : range)`. No task starts before it is read; who reads it
/// waits for each result. What is in flight is cancelled when it goes, which must be before its
/// pool does, and before a range of inputs that was passed as an lvalue.
template <class Producer>
class ResultRange {
 public:
  /// @cond
  using Value = typename Producer::Value;

  explicit ResultRange(std::unique_ptr<Producer> producer) : producer_(std::move(producer)) {}

  using Iterator = NextIterator<Producer>;
  /// @endcond
  /// Waits for the first result. Once: a second one throws std::logic_error, as it does of a range
  /// that was moved from.
  [[nodiscard]] Iterator begin() {
    if (!producer_) throw std::logic_error("cohort: this range of results was moved from");
    once_.begin();
    return Iterator(*producer_);
  }
  /// After the last.
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 private:
  std::unique_ptr<Producer> producer_;
  ReadOnce once_;
};

namespace detail {

/// Calls Member with an input; a tuple is spread over several parameters.
template <auto Member, class W, class Input>
auto start_task(Worker<W> const& worker, Input const& input) {
  if constexpr (kIsTheArgument<Input, ArgumentsOf<Member>>) {
    return worker.call(fn<Member>, input);
  } else {
    return std::apply([&](auto const&... each) { return worker.call(fn<Member>, each...); }, input);
  }
}

/// Feeds a range into a runner as there is room. The base of all of a pool's operations.
template <class W, auto Member, std::ranges::view Inputs>
class Feeder {
 public:
  using Result = ResultOf<Member>;

  Feeder(WorkerGroup<W>& group, Inputs inputs)
      : inputs_(std::move(inputs)), next_input_(std::ranges::begin(inputs_)), runner_(group) {}

  /// The next task to end. Submits inputs before, and while it waits.
  template <class MayStart>
  std::optional<Outcome<Result>> next(MayStart const& may_start) {
    feed(may_start);
    return runner_.next([&] { feed(may_start); });
  }
  /// Submits inputs while there is room and `may_start(index)` says yes.
  template <class MayStart>
  void feed(MayStart const& may_start) {
    while (runner_.has_room() && !exhausted() && may_start(next_index_)) {
      using Input = std::ranges::range_value_t<Inputs>;
      auto input = std::make_shared<Input const>(*next_input_);
      runner_.submit(next_index_++, [input = std::move(input)](Worker<W> const& worker) {
        return start_task<Member>(worker, *input);
      });
      ++next_input_;  // behind it: the next input may take long to come
    }
  }
  [[nodiscard]] bool exhausted() { return next_input_ == std::ranges::end(inputs_); }
  /// Inputs taken so far; all of them once exhausted.
  [[nodiscard]] std::size_t taken() const noexcept { return next_index_; }
  [[nodiscard]] TaskRunner<W, Result>& runner() noexcept { return runner_; }

 private:
  Inputs inputs_;
  std::ranges::iterator_t<Inputs> next_input_;
  std::size_t next_index_ = 0;
  TaskRunner<W, Result> runner_;
};

inline constexpr auto always = [](std::size_t) { return true; };

template <class W, auto Member, std::ranges::view Inputs>
class OutcomeProducer {
 public:
  using Value = Outcome<ResultOf<Member>>;
  OutcomeProducer(WorkerGroup<W>& group, Inputs inputs) : feeder_(group, std::move(inputs)) {}
  std::optional<Value> next() { return feeder_.next(always); }

 private:
  Feeder<W, Member, Inputs> feeder_;
};

template <class W, auto Member, std::ranges::view Inputs>
class UnorderedProducer {
 public:
  using Value = Indexed<ResultOf<Member>>;
  UnorderedProducer(WorkerGroup<W>& group, Inputs inputs) : outcomes_(group, std::move(inputs)) {}
  std::optional<Value> next() {
    auto outcome = outcomes_.next();
    if (!outcome) return std::nullopt;
    return Value{outcome->index(), std::move(outcome->get())};
  }

 private:
  OutcomeProducer<W, Member, Inputs> outcomes_;
};

template <class W, auto Member, std::ranges::view Inputs>
class OrderedProducer {
 public:
  using Value = ResultOf<Member>;
  OrderedProducer(WorkerGroup<W>& group, Inputs inputs)
      : feeder_(group, std::move(inputs)),
        // Of all places: those that are empty now may be filled later.
        window_(kWindowPerTask * group.size() * group.in_flight()) {}

  std::optional<Value> next() {
    for (;;) {
      if (auto const found = early_.find(next_); found != early_.end()) {
        auto outcome = std::move(found->second);
        early_.erase(found);
        ++next_;
        return std::move(outcome.get());
      }
      // Results that wait for a slow one before them are bounded by not starting ever more.
      auto outcome = feeder_.next([this](std::size_t index) { return index < next_ + window_; });
      if (!outcome) return std::nullopt;
      early_.emplace(outcome->index(), std::move(*outcome));
    }
  }

 private:
  static constexpr std::size_t kWindowPerTask = 4;

  Feeder<W, Member, Inputs> feeder_;
  std::size_t const window_;
  std::size_t next_ = 0;
  std::map<std::size_t, Outcome<Value>> early_;
};

}  // namespace detail

/// Workers of one type, kept busy. Every function that is named must be listed by W. Several
/// operations may be under way at once, each driven by one thread: the one that reads its range, or
/// that waits in the operation. A pool must go before its Cluster; its workers end with it, and it
/// does not wait for that.
///
/// A task whose worker is lost runs again on another worker, and the worker is replaced; a task
/// that was running when `losses_to_give_up` workers were lost ends with that error. Where a
/// replacement cannot be started, that is tried again for as long as there is work
/// (PoolOptions::first_retry); the others go on meanwhile, and the log says how many work. While
/// none works, operations wait, and throw why none can be started after
/// PoolOptions::give_up_after; at once where none ever can be, as over ranks that are all lost.
/// What the function itself throws is not tried again.
///
/// A task's Error is thrown where its result would have come: kFailed, kDisconnected (given up),
/// kRefused (over max_message_size), kProtocol; map_outcomes has them as elements. An operation
/// also throws what its inputs throw, as ranges or while they are serialized.
template <class W>
class Pool {
 public:
  /// Waits for its workers, as spawn does. Where some cannot be started, it begins with the others,
  /// and tries those again; throws what spawn throws where none can be started, and
  /// std::invalid_argument for options without sense. Each worker, also one that replaces another,
  /// is made from `init`.
  template <class... Init>
  explicit Pool(Cluster& cluster, PoolOptions options = {}, Init&&... init)
      : group_(cluster, std::move(options), std::forward<Init>(init)...) {}

  /// Workers that it is to have.
  [[nodiscard]] std::size_t size() const noexcept { return group_.size(); }
  /// Workers that it has now. A lost one is replaced while there is work. Any thread.
  [[nodiscard]] std::size_t working() const { return group_.working(); }

  /// The results in the order of the inputs: a range. Each input is one argument of the function,
  /// or a tuple of its arguments. Inputs are taken as there is room: PoolOptions::in_flight for
  /// each worker, and at most four times as many ahead of the result that is read next.
  template <auto Member, class Inputs>
  [[nodiscard]] auto map(Fn<Member>, Inputs&& inputs) {
    return produce<detail::OrderedProducer, Member>(std::forward<Inputs>(inputs));
  }

  /// For a function that returns void there are no results to read: returns when all is done, or
  /// throws the first error that comes; then what is in flight is cancelled and no more is started.
  template <auto Member, class Inputs>
  requires std::is_void_v<ResultOf<Member>>
  void map(Fn<Member>, Inputs&& inputs) {
    for (auto& outcome : map_outcomes(fn<Member>, std::forward<Inputs>(inputs))) outcome.get();
  }

  /// The results as they come: a range of Indexed.
  template <auto Member, class Inputs>
  [[nodiscard]] auto map_unordered(Fn<Member>, Inputs&& inputs) {
    static_assert(!std::is_void_v<ResultOf<Member>>,
                  "a function that returns void gives nothing to put in a range: use map, which "
                  "returns when all is done, or map_outcomes, which tells what became of each");
    return produce<detail::UnorderedProducer, Member>(std::forward<Inputs>(inputs));
  }

  /// As map_unordered, but an error is an element like any other: a range of Outcome.
  template <auto Member, class Inputs>
  [[nodiscard]] auto map_outcomes(Fn<Member>, Inputs&& inputs) {
    return produce<detail::OutcomeProducer, Member>(std::forward<Inputs>(inputs));
  }

  /// The first result found, by a function that gives std::optional, or nothing. The rest is
  /// cancelled at the first hit: a function that takes a std::stop_token is stopped. Waits; throws
  /// an error that comes before a hit.
  template <auto Member, class Inputs>
  [[nodiscard]] auto find_map(Fn<Member>, Inputs&& inputs) {
    using Found = detail::OptionalOf<ResultOf<Member>>;
    static_assert(!std::is_void_v<Found>,
                  "find_map takes a function that returns std::optional<T>: nothing where it found "
                  "nothing");
    if constexpr (!std::is_void_v<Found>)
      return find_first<Member, Found>(std::forward<Inputs>(inputs));
  }

  /// Maps, and combines neighbours on the workers; Combine must be associative. The tree depends on
  /// the number of inputs alone, so the result is the same, to the bit, on any number of workers.
  /// Nothing for no inputs. Waits; throws the first error that comes.
  template <auto Member, auto Combine, class Inputs>
  [[nodiscard]] std::optional<ResultOf<Member>> map_reduce(Fn<Member>, Fn<Combine>,
                                                           Inputs&& inputs) {
    return reduce<Member, Combine, OrderedReduction<ResultOf<Member>>>(
        std::forward<Inputs>(inputs));
  }

  /// Maps, and combines in any order as results come; Combine must be associative and commutative.
  /// Otherwise as map_reduce.
  template <auto Member, auto Combine, class Inputs>
  [[nodiscard]] std::optional<ResultOf<Member>> map_reduce_commutative(Fn<Member>, Fn<Combine>,
                                                                       Inputs&& inputs) {
    return reduce<Member, Combine, CommutativeReduction<ResultOf<Member>>>(
        std::forward<Inputs>(inputs));
  }

  /// @cond
  // What names no function: the compiler says so, and what to write.
  template <detail::NotAFunction What, class Inputs>
  typename detail::NamedFunction<What>::Result map(What const&, Inputs&&);
  template <detail::NotAFunction What, class Inputs>
  typename detail::NamedFunction<What>::Result map_unordered(What const&, Inputs&&);
  template <detail::NotAFunction What, class Inputs>
  typename detail::NamedFunction<What>::Result map_outcomes(What const&, Inputs&&);
  template <detail::NotAFunction What, class Inputs>
  typename detail::NamedFunction<What>::Result find_map(What const&, Inputs&&);
  /// @endcond

 private:
  template <template <class, auto, class> class Producer, auto Member, class Inputs>
  auto produce(Inputs&& inputs) {
    if constexpr (detail::kInputsFit<W, Member, Inputs>) {
      using View = std::views::all_t<Inputs>;
      using Chosen = Producer<W, Member, View>;
      return ResultRange<Chosen>(
          std::make_unique<Chosen>(group_, std::views::all(std::forward<Inputs>(inputs))));
    } else {
      return std::vector<int>();  // so that the compiler says no more
    }
  }

  template <auto Member, class Found, class Inputs>
  std::optional<Indexed<Found>> find_first(Inputs&& inputs) {
    for (auto& found : map_unordered(fn<Member>, std::forward<Inputs>(inputs))) {
      if (found.value) return {{found.index, std::move(*found.value)}};
    }
    return std::nullopt;
  }

  template <auto Member, auto Combine, class Reduction, class Inputs>
  std::optional<ResultOf<Member>> reduce(Inputs&& inputs) {
    using T = ResultOf<Member>;
    constexpr bool kCombines = std::is_same_v<ArgumentsOf<Combine>, std::tuple<T, T>> &&
                               std::is_same_v<ResultOf<Combine>, T>;
    static_assert(
        kCombines,
        "Combine must take two results of the mapped function and give one: `T f(T const& "
        "left, T const& right)`");
    if constexpr (kCombines && detail::kInputsFit<W, Member, Inputs> &&
                  CheckedFunction<W, Combine>::index != detail::kNotListed) {
      return reduce_checked<Member, Combine, Reduction>(std::forward<Inputs>(inputs));
    } else {
      return std::nullopt;
    }
  }

  template <auto Member, auto Combine, class Reduction, class Inputs>
  std::optional<ResultOf<Member>> reduce_checked(Inputs&& inputs) {
    using T = ResultOf<Member>;
    using View = std::views::all_t<Inputs>;
    detail::Feeder<W, Member, View> feeder(group_, std::views::all(std::forward<Inputs>(inputs)));
    auto& runner = feeder.runner();
    Reduction reduction;
    for (;;) {
      while (auto pair = reduction.take_pair()) {
        auto operands =
            std::make_shared<std::pair<T, T> const>(std::move(pair->left), std::move(pair->right));
        runner.submit(pair->tag, [operands](Worker<W> const& worker) {
          return worker.call(fn<Combine>, operands->first, operands->second);
        });
      }
      feeder.feed(detail::always);
      if (feeder.exhausted()) reduction.set_inputs(feeder.taken());
      if (reduction.has_pair()) continue;
      auto outcome = runner.next([&] { feeder.feed(detail::always); });
      if (!outcome) return reduction.take_result();
      reduction.add(outcome->index(), std::move(outcome->get()));
    }
  }

  WorkerGroup<W> group_;
};

}  // namespace cohort
