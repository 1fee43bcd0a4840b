// Workers that call each other, for tests of waits that cannot end.
#pragma once

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include <cohort/cohort.hpp>

namespace conformance {

template <unsigned Calls>
class CallerOf {
 public:
  using Execution = cohort::Concurrent<Calls>;
  using Ref = cohort::WorkerRef<CallerOf>;

  explicit CallerOf(cohort::WorkerContext const& context) : context_(context) {}

  /// How many workers it has gone through: asks the first to ask the others, one after the other.
  int ask(std::vector<Ref> others) {
    if (others.empty()) return 0;
    auto const next = cohort::connect(context_, others.front());
    others.erase(others.begin());
    return 1 + next.call(cohort::fn<&CallerOf::ask>, others).get();
  }
  /// The same, but waits for each call with a deadline, and then cancels it: -1.
  int ask_for(std::vector<Ref> others, std::chrono::milliseconds patience) {
    if (others.empty()) return 0;
    auto const next = cohort::connect(context_, others.front());
    others.erase(others.begin());
    auto answer = next.call(cohort::fn<&CallerOf::ask>, others);
    if (answer.wait_for(patience)) return 1 + answer.get();
    answer.cancel();
    return -1;
  }
  int answer() const { return 42; }
  /// Returns when its caller ends the stream.
  void block(cohort::Stream<int>& until) {
    while (until.next()) {
    }
  }
  void count(std::int64_t n, cohort::Writer<std::int64_t>& out) {
    for (std::int64_t i = 0; i < n; ++i) out.write(i);
  }
  void fail() { throw std::runtime_error("it failed"); }

  using Functions = cohort::FunctionList<&CallerOf::ask, &CallerOf::ask_for, &CallerOf::answer,
                                         &CallerOf::block, &CallerOf::count, &CallerOf::fail>;

 private:
  cohort::WorkerContext context_;
};

using Caller = CallerOf<1>;
using CallerOfTwo = CallerOf<2>;

}  // namespace conformance
