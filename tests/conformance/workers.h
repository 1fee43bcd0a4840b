// The worker types of the conformance suite: every kind of function, of session and of death.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <future>
#include <map>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <cohort/cohort.hpp>

#include "tests/conformance/calling_workers.h"
#include "tests/conformance/fragile_workers.h"

namespace conformance {

using cohort::CloseReason;
using cohort::State;
using cohort::Stream;
using cohort::Writer;

/// From now on this process gets nothing of what its TCP connections carry, while its own data and
/// the acknowledgements of both sides pass: the network is cut in one direction.
void lose_what_arrives();

/// Every kind of function. Its Init is a number that results start from.
class Everything {
 public:
  using Init = int;
  /// Leaves a file named like its index in the folder that the variable ARRIVALS names.
  explicit Everything(int start, cohort::WorkerContext const& context);

  /// Counts the calls of one client; built with what the client says.
  struct Session {
    using Init = std::string;
    Session(Everything& worker, std::string who) : worker_(worker), name(std::move(who)) {
      if (name == "nobody") throw std::invalid_argument("a session for nobody");
      ++worker_.sessions_;
    }
    ~Session() noexcept(false) {
      --worker_.sessions_;
      if (name == "thrower") throw std::runtime_error("a session that throws at its end");
    }

   private:
    Everything& worker_;

   public:
    std::string name;
    int calls = 0;
  };

  // Plain ones.
  int add(int a, int b) const { return start_ + a + b; }
  std::string join(std::vector<std::string> const& parts, std::string separator);
  std::vector<double> echo(std::vector<double> values) { return values; }
  std::vector<double> ones(std::uint64_t count) { return std::vector<double>(count, 1.0); }
  void fail(std::string text) { throw std::invalid_argument(text); }
  void fail_oddly() { throw 42; }  // NOLINT: that is the point
  std::string variable(std::string name) const;
  int pid() const;
  std::uint32_t index() const { return context_.index; }
  bool compute_until_stopped(std::stop_token stop);  ///< writes "begun" to the kept writer
  void compute_for(std::chrono::milliseconds duration);
  int answer_after(std::uint32_t microseconds);

  // With a session.
  std::string greet(Session& session) { return session.name + std::to_string(++session.calls); }
  int sessions() const { return sessions_; }

  // Streams out.
  void count(std::int64_t n, Writer<std::int64_t>& out);
  int count_and_return(std::int64_t n, Writer<std::int64_t>& out);
  void count_then_fail(std::int64_t n, Writer<std::int64_t>& out);
  void count_then_die(std::int64_t n, Writer<std::int64_t>& out);
  void keep(Writer<std::string> out);
  void write_to_kept(std::string text);
  void close_kept();
  void write_on_a_thread();     ///< "0", "1", ... to the kept writer
  std::int64_t stop_writing();  ///< how many the thread wrote
  State<std::vector<std::string>, std::string> watch(Writer<std::string> updates);
  State<std::vector<std::string>, std::string> watch_and_fail(Writer<std::string> updates);
  std::string how_the_last_stream_ended() const;
  std::string what_the_last_stream_threw();  ///< its kind, once

  // Streams in, and both ways.
  std::int64_t sum(Stream<std::int64_t>& in);
  int answer_first(Stream<std::int64_t> in);
  void hold(Stream<std::int64_t> in);  ///< unread
  std::int64_t sum_held();
  void sum_by_callback(Stream<std::int64_t> in);       ///< up to a negative number
  void sum_by_slow_callback(Stream<std::int64_t> in);  ///< which waits for go_on()
  void go_on() { go_on_.set_value(); }
  std::int64_t received() const { return received_; }
  void read_one_then_fail(Stream<std::int64_t>& in);
  void ping_pong(Stream<int>& in, Writer<int>& out);
  void fail_in_a_callback(Stream<int> in);

  // One-way.
  void note(std::int64_t value) { received_ += value; }
  void fail_one_way(std::string text) { throw std::runtime_error(text); }

  // Other workers.
  std::string greet_by(cohort::WorkerRef<Everything> ref, std::string who);
  void feed(cohort::WorkerRef<Everything> ref);  ///< its sum_by_callback, for ever
  int add_by_own_worker(int a, int b);
  int wait_for_own_worker_that_hangs();
  cohort::Settings settings_of_own_worker();
  std::string chain(int depth);
  /// Waits for its master's end; then calls `other`, writes the sum to the file, and ends both.
  void outlive(cohort::WorkerRef<Everything> other, cohort::WorkerRef<Everything> itself,
               std::string file, Stream<int>& in);

  // Logs and deaths.
  void say(cohort::LogLevel level, std::string text) { cohort::log(level, text); }
  void print(std::string out, std::string err);
  std::string read_word();                ///< from stdin
  void print_lines(std::uint64_t bytes);  ///< numbered lines on stdout
  void raise(int signal);
  void die_on_a_thread(std::string text);
  void die(std::string how);  ///< assertion, stack, terminate, or exit
  std::uint64_t allocate(std::uint64_t bytes, std::uint64_t limit);  ///< with RLIMIT_AS at limit
  void lose_what_arrives();

  using Functions = cohort::FunctionList<
      &Everything::add, &Everything::join, &Everything::echo, &Everything::fail,
      &Everything::fail_oddly, &Everything::variable, &Everything::pid,
      &Everything::compute_until_stopped, &Everything::compute_for, &Everything::greet,
      &Everything::sessions, &Everything::count, &Everything::count_and_return,
      &Everything::count_then_fail, &Everything::count_then_die, &Everything::keep,
      &Everything::write_to_kept, &Everything::close_kept, &Everything::watch,
      &Everything::how_the_last_stream_ended, &Everything::sum, &Everything::answer_first,
      &Everything::sum_by_callback, &Everything::hold, &Everything::sum_held, &Everything::received,
      &Everything::ping_pong, &Everything::fail_in_a_callback, &Everything::note,
      &Everything::fail_one_way, &Everything::greet_by, &Everything::add_by_own_worker,
      &Everything::wait_for_own_worker_that_hangs, &Everything::settings_of_own_worker,
      &Everything::chain, &Everything::say, &Everything::print, &Everything::print_lines,
      &Everything::read_word, &Everything::raise, &Everything::die_on_a_thread, &Everything::die,
      &Everything::allocate, &Everything::outlive, &Everything::index,
      &Everything::write_on_a_thread, &Everything::stop_writing,
      &Everything::what_the_last_stream_threw, &Everything::sum_by_slow_callback,
      &Everything::go_on, &Everything::lose_what_arrives, &Everything::ones, &Everything::feed,
      &Everything::read_one_then_fail, &Everything::answer_after, &Everything::watch_and_fail>;

 private:
  void remember(cohort::Error const& error);  ///< and prints it on stderr

  int start_;
  cohort::WorkerContext context_;
  std::vector<cohort::Worker<Everything>> own_;
  Writer<std::string> kept_;
  Stream<std::int64_t> held_;
  std::vector<std::string> history_;
  std::atomic<std::int64_t> received_{0};
  std::atomic<int> sessions_{0};
  std::atomic<CloseReason> last_end_{CloseReason::kOpen};
  std::string last_error_;
  std::promise<void> go_on_;
  std::jthread writing_;  // before what it writes to
};

/// Runs four calls at a time.
class Crowd {
 public:
  using Execution = cohort::Concurrent<4>;

  /// Returns once `calls` of them are in here at the same time; false where that takes too long.
  bool meet(int calls);
  void meet_and_fail(int calls);
  void count_together(int n, int calls, Writer<int>& out);  ///< once they have met
  int add(int a, int b) { return a + b; }
  void count_up() { ++counted_; }
  int counted() const { return counted_; }
  bool wait_for_stop(std::stop_token stop);

  /// Without an Init: built for every client.
  struct Session {
    int calls = 0;
  };
  int count_calls(Session& session) { return ++session.calls; }

  using Functions = cohort::FunctionList<&Crowd::meet, &Crowd::add, &Crowd::wait_for_stop,
                                         &Crowd::count_calls, &Crowd::meet_and_fail,
                                         &Crowd::count_up, &Crowd::counted, &Crowd::count_together>;

 private:
  std::mutex mutex_;
  std::condition_variable met_;
  int inside_ = 0;
  std::atomic<int> counted_{0};
};

inline constexpr auto& kTypes =
    cohort::app_types<Everything, Crowd, Awkward, Heavy, Mortal, Caller, CallerOfTwo>;

}  // namespace conformance
