// The worker type of the tests of calls. Its gates and signals are shared with the test, since both
// sides of the connection live in one process.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "core/function.h"
#include "tests/support/waiting.h"

namespace cohort_test_lab {

/// Decodes only where it is even.
struct Even {
  int value = 0;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& value;
    if (value % 2 != 0 && Archive::is_loading::value) throw std::runtime_error("an odd number");
  }
};

struct NotAnException {};

class Lab {
 public:
  int add(int a, int b) { return a + b; }
  void nothing() {}
  std::string echo(std::string text) { return text; }
  std::vector<double> scale(std::vector<double> const& values, double by) {
    auto result = values;
    for (auto& value : result) value *= by;
    return result;
  }
  std::string text_of(std::uint64_t size) { return std::string(size, 'x'); }
  int halve(Even number) { return number.value / 2; }

  int throw_invalid_argument(std::string text) { throw std::invalid_argument(text); }
  int throw_int() { throw 7; }  // NOLINT: that is the point
  int throw_text() { throw "just text"; }
  int throw_odd() { throw NotAnException(); }

  /// Waits for the test to open the gate, without driving any engine.
  int wait_for_gate(int result) {
    started.set();
    if (!gate.wait()) throw std::runtime_error("the gate stayed shut");
    return result;
  }
  void count() { ++counted; }
  /// Ends when the caller cancels it, or the worker stops.
  bool wait_for_stop(std::stop_token stop) {
    started.set();
    bool const stopped = cohort::test::eventually([&] { return stop.stop_requested(); });
    if (stopped) saw_stop.set();
    return stopped;
  }
  void compute_for(int milliseconds) {
    started.set();
    auto const deadline = cohort::Deadline::after(std::chrono::milliseconds(milliseconds));
    while (!deadline.passed()) std::this_thread::yield();
  }

  cohort::test::Signal started;
  cohort::test::Signal gate;
  cohort::test::Signal saw_stop;
  std::atomic<int> counted{0};

  using Functions =
      cohort::FunctionList<&Lab::add, &Lab::nothing, &Lab::echo, &Lab::scale, &Lab::text_of,
                           &Lab::halve, &Lab::throw_invalid_argument, &Lab::throw_int,
                           &Lab::throw_text, &Lab::throw_odd, &Lab::wait_for_gate, &Lab::count,
                           &Lab::wait_for_stop, &Lab::compute_for>;
};

}  // namespace cohort_test_lab
