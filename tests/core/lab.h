// The worker type of the tests of calls. Its gates and signals are shared with the test, since both
// sides of the connection live in one process.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <pthread.h>

#include "core/archive.h"
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

/// Its destructor runs code of the user's.
struct Nosy {
  Nosy() = default;
  Nosy(Nosy&& other) noexcept : on_destruction(std::exchange(other.on_destruction, {})) {}
  ~Nosy() {
    if (on_destruction) on_destruction();
  }
  std::function<void()> on_destruction;

  template <class Archive>
  void serialize(Archive&, unsigned) {}
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
  std::string text_of(std::uint64_t size) {
    ++counted;
    return std::string(size, 'x');
  }
  std::uint64_t size_of(Nosy const&, std::vector<double> const& values) { return values.size(); }
  int halve(Even number) { return number.value / 2; }

  int throw_invalid_argument(std::string text) { throw std::invalid_argument(text); }
  int throw_int() { throw 7; }  // NOLINT: that is the point
  int throw_text() { throw "just text"; }
  int throw_decode_error() { throw cohort::DecodeError("a file of mine"); }
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
  void glance(std::stop_token) { ++counted; }
  void end_thread() { ::pthread_exit(nullptr); }
  /// Its stop callback waits for the gate.
  bool hold_up_the_stop(std::stop_token stop) {
    std::stop_callback const callback(stop, [this] {
      saw_stop.set();
      static_cast<void>(gate.wait());
    });
    return wait_for_stop(stop);
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
                           &Lab::wait_for_stop, &Lab::compute_for, &Lab::throw_decode_error,
                           &Lab::size_of, &Lab::hold_up_the_stop, &Lab::glance, &Lab::end_thread>;
};

}  // namespace cohort_test_lab
