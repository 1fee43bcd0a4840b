// The worker type of the tests of streams, and their fixture.
#pragma once

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "core/stream.h"
#include "tests/support/peers.h"

namespace cohort_test_stream {

using cohort::CloseReason;
using cohort::State;
using cohort::Stream;
using cohort::Writer;

/// Every kind of function that streams. Its gates are shared with the test.
class Fountain {
 public:
  void count(int n, Writer<int>& out) {
    for (int i = 0; i < n; ++i) out.write(i);
  }
  void count_for_ever(Writer<std::int64_t>& out) {
    try {
      for (std::int64_t i = 0;; ++i) {
        out.write(i);
        written = i + 1;
      }
    } catch (cohort::Error const&) {
      seen_reason = out.reason();
      ended.set();
      throw;
    }
  }
  void count_then_throw(int n, Writer<int>& out) {
    for (int i = 0; i < n; ++i) out.write(i);
    throw std::runtime_error("dry");
  }
  void texts(int n, std::uint64_t size, Writer<std::string>& out) {
    for (int i = 0; i < n; ++i) out.write(std::string(size, static_cast<char>('a' + i % 26)));
  }
  void count_and_keep(int n, Writer<int> out) {
    for (int i = 0; i < n; ++i) out.write(i);
    out.flush();
    kept_numbers = std::move(out);
  }
  void lose_the_writer(Writer<int> out) {
    try {
      auto const mine = std::exchange(out, {});
      throw std::runtime_error("handled here");
    } catch (std::runtime_error const&) {
    }
  }
  void fail_at_length(std::uint64_t length) { throw std::runtime_error(std::string(length, 'x')); }
  void keep(Writer<std::string> out) { kept = std::move(out); }
  void keep_then_throw(Writer<std::string> out) {
    kept = std::move(out);
    throw std::runtime_error("kept in vain");
  }
  void drop_by_throwing(Writer<std::string>) { throw std::runtime_error("never kept"); }
  State<int, std::string> watch(Writer<std::string> out) {
    kept = std::move(out);
    return {41};
  }
  std::int64_t sum(std::int64_t start, Stream<std::int64_t>& in) {
    for (auto const value : in) start += value;
    return start;
  }
  int first(Stream<int>& in) { return in.next().value_or(-1); }
  int answer_before_reading(Stream<int> in) {
    kept_in = std::move(in);
    return 7;
  }
  void sum_by_callback(Stream<int> in) {
    std::move(in)
        .subscribe([this](int value) { received += value; },
                   [this](CloseReason reason) {
                     seen_reason = reason;
                     ended.set();
                   })
        .detach();
  }
  void die_in_callback(Stream<int> in) {
    std::move(in).subscribe([](int) { throw std::runtime_error("in a callback"); }).detach();
  }
  double scale(double by, Stream<double>& in, Writer<double>& out) {
    double total = 0;
    for (auto const value : in) {
      out.write(value * by);
      total += value * by;
    }
    return total;
  }
  void fail_at_once() {
    started.set();
    throw std::runtime_error("posted");
  }
  void note(int value) {
    in_order = in_order && value == received + 1;
    received = value;
  }

  std::atomic<std::int64_t> written{0};
  std::atomic<int> received{0};
  std::atomic<bool> in_order{true};
  std::atomic<CloseReason> seen_reason{CloseReason::kOpen};
  cohort::test::Signal started;
  cohort::test::Signal ended;
  Writer<std::string> kept;
  Writer<int> kept_numbers;
  Stream<int> kept_in;

  using Functions =
      cohort::FunctionList<&Fountain::count, &Fountain::count_for_ever, &Fountain::count_then_throw,
                           &Fountain::texts, &Fountain::keep, &Fountain::keep_then_throw,
                           &Fountain::drop_by_throwing, &Fountain::watch, &Fountain::sum,
                           &Fountain::first, &Fountain::answer_before_reading,
                           &Fountain::sum_by_callback, &Fountain::die_in_callback, &Fountain::scale,
                           &Fountain::fail_at_once, &Fountain::note, &Fountain::count_and_keep,
                           &Fountain::lose_the_writer, &Fountain::fail_at_length>;
};

}  // namespace cohort_test_stream

namespace cohort {

using namespace std::chrono_literals;
using cohort_test_stream::Fountain;
using test::error_of;
using test::eventually;
using test::Peers;
using test::Signal;
using test::Transport;

class OverEachTransport : public ::testing::TestWithParam<Transport> {
 protected:
  Peers<Fountain> peers{GetParam()};
};

#define COHORT_OVER_EACH_TRANSPORT(suite)                                                    \
  INSTANTIATE_TEST_SUITE_P(                                                                  \
      Each, suite, ::testing::Values(Transport::kInproc, Transport::kUnix, Transport::kTcp), \
      ::testing::PrintToStringParamName())

}  // namespace cohort
