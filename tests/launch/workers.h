// The worker types of the launch tests: one that behaves, and one that dies in every way.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include <cohort/cohort.hpp>

namespace launch_test {

/// No Init; takes its context.
class Calculator {
 public:
  explicit Calculator(cohort::WorkerContext const& context) : context_(context) {}

  int add(int a, int b) { return a + b; }
  std::string join(std::string const& a, double b, std::vector<int> const& c) const;
  void remember(std::int64_t value) { remembered_ = value; }
  std::int64_t remembered() const noexcept { return remembered_; }
  double sum(std::vector<double> const& xs) const {
    return std::accumulate(xs.begin(), xs.end(), 0.0);
  }
  std::vector<double> doubled(std::vector<double> xs) const;
  std::unique_ptr<int> increment(std::unique_ptr<int> value) const;
  std::vector<std::uint32_t> context() const;  ///< its id's path, then index and count
  std::string host() const { return context_.host; }
  int pid() const;
  std::string variable(std::string const& name) const;

  using Functions =
      cohort::FunctionList<&Calculator::add, &Calculator::join, &Calculator::remember,
                           &Calculator::remembered, &Calculator::sum, &Calculator::doubled,
                           &Calculator::increment, &Calculator::context, &Calculator::host,
                           &Calculator::pid, &Calculator::variable>;

 private:
  cohort::WorkerContext context_;
  std::int64_t remembered_ = 0;
};

/// Each function says "last words of NAME" on stderr first, where it does not return.
class Saboteur {
 public:
  int add(int a, int b) { return a + b; }
  void throw_invalid_argument(std::string const& text);
  void throw_number();
  void throw_on_a_thread(std::string const& text);  ///< and blocks
  void terminate();
  void fail_assertion();
  void abort();
  void raise(int signal);
  void write_to_null();
  void exit_at_once(int code);  ///< _exit
  void exit(int code);
  void overflow_stack();
  void fork_and_die();  ///< SIGKILL; a child of it keeps all descriptors for a while
  void block();
  void compute(std::chrono::milliseconds duration);  ///< never yields
  void print(std::string const& out, std::string const& err);

  using Functions =
      cohort::FunctionList<&Saboteur::add, &Saboteur::throw_invalid_argument,
                           &Saboteur::throw_number, &Saboteur::throw_on_a_thread,
                           &Saboteur::terminate, &Saboteur::fail_assertion, &Saboteur::abort,
                           &Saboteur::raise, &Saboteur::write_to_null, &Saboteur::exit_at_once,
                           &Saboteur::exit, &Saboteur::overflow_stack, &Saboteur::fork_and_die,
                           &Saboteur::block, &Saboteur::compute, &Saboteur::print>;
};

inline constexpr cohort::AppTypes kTypes = cohort::app_types<Calculator, Saboteur>;

}  // namespace launch_test
