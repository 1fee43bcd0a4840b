#include "tests/launch/workers.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <thread>

#include <unistd.h>

#undef NDEBUG  // the failed assertion is to fail in release builds too
#include <cassert>

namespace launch_test {
namespace {

using std::chrono::steady_clock;

void last_words(char const* name) { std::fprintf(stderr, "last words of %s\n", name); }

[[noreturn]] void block_for_ever() {
  for (;;) ::pause();
}

/// The variable COHORT_TEST_PIDS names a folder: each worker leaves its pid there before main, and
/// COHORT_TEST_SLOW_START (ms) is how long its static initialisers then take.
bool announce_worker() {
  char const* const folder = std::getenv("COHORT_TEST_PIDS");
  if (folder == nullptr || !cohort::is_worker_process()) return false;
  std::ofstream(std::string(folder) + '/' + std::to_string(::getpid())) << "here";
  if (char const* const slow = std::getenv("COHORT_TEST_SLOW_START")) {
    std::this_thread::sleep_for(std::chrono::milliseconds(std::atoi(slow)));
  }
  return true;
}
[[maybe_unused]] bool const g_announced = announce_worker();

/// A function of its own, as the compiler warns of a throw in a destructor.
void throw_from_a_destructor() { throw std::runtime_error("the destructor throws"); }

/// Uses up its stack; the sum keeps the compiler from making a loop of it.
int dig(int depth) {
  int volatile room[4096];
  room[0] = depth;
  return depth < 0 ? 0 : dig(depth + 1) + room[0];
}

}  // namespace

std::string Calculator::join(std::string const& a, double b, std::vector<int> const& c) const {
  std::string text = a + '/' + std::to_string(b);
  for (int each : c) text += '/' + std::to_string(each);
  return text;
}

std::vector<double> Calculator::doubled(std::vector<double> xs) const {
  for (auto& x : xs) x *= 2;
  return xs;
}

std::unique_ptr<int> Calculator::increment(std::unique_ptr<int> value) const {
  if (value) ++*value;
  return value;
}

std::vector<std::uint32_t> Calculator::context() const {
  auto numbers = context_.id.path();
  numbers.push_back(context_.index);
  numbers.push_back(context_.count);
  return numbers;
}

int Calculator::pid() const { return ::getpid(); }

std::string Calculator::variable(std::string const& name) const {
  char const* const value = std::getenv(name.c_str());
  return value != nullptr ? value : "(unset)";
}

void Saboteur::throw_invalid_argument(std::string const& text) {
  throw std::invalid_argument(text);
}
void Saboteur::throw_number() { throw 42; }

void Saboteur::throw_on_a_thread(std::string const& text) {
  last_words("throw_on_a_thread");
  std::thread([text] { throw std::runtime_error(text); }).detach();
  block_for_ever();
}

void Saboteur::terminate() {
  last_words("terminate");
  std::terminate();
}

void Saboteur::fail_assertion() {
  last_words("fail_assertion");
  bool const the_world_is_flat = ::getpid() < 0;
  assert(the_world_is_flat);
}

void Saboteur::abort() {
  last_words("abort");
  std::abort();
}

void Saboteur::raise(int signal) {
  last_words("raise");
  std::signal(signal, SIG_DFL);  // the sanitizers handle some themselves
  std::raise(signal);
}

void Saboteur::write_to_null() {
  last_words("write_to_null");
  int volatile* volatile nowhere = nullptr;  // both: an optimiser drops the store otherwise
  *nowhere = 1;
}

void Saboteur::exit_at_once(int code) {
  last_words("exit_at_once");
  ::_exit(code);
}

void Saboteur::exit(int code) {
  last_words("exit");
  std::exit(code);
}

void Saboteur::overflow_stack() {
  last_words("overflow_stack");
  std::printf("%d", dig(0));
}

void Saboteur::fork_and_die() {
  last_words("fork_and_die");
  if (::fork() == 0) {
    ::sleep(3);
    ::_exit(0);
  }
  std::raise(SIGKILL);
}

void Saboteur::block() {
  last_words("block");
  block_for_ever();
}

void Saboteur::compute(std::chrono::milliseconds duration) {
  last_words("compute");
  auto const end = steady_clock::now() + duration;
  while (steady_clock::now() < end) {
  }
}

void Saboteur::compute_until_stopped(std::string const& begun, std::string const& ended,
                                     std::stop_token stop) {
  std::ofstream(begun) << "begun";
  while (!stop.stop_requested()) {
  }
  std::ofstream(ended) << "ended";
}

void Saboteur::print(std::string const& out, std::string const& err) {
  std::fputs(out.c_str(), stdout);
  std::fflush(stdout);
  std::fputs(err.c_str(), stderr);
}

void Saboteur::print_lines(std::uint64_t bytes) {
  std::uint64_t written = 0;
  for (int i = 0; written < bytes; ++i) {
    written += static_cast<std::uint64_t>(
        std::printf("line %07d of many, long enough to fill a pipe before long\n", i));
  }
  std::fflush(stdout);
}

Awkward::Awkward(std::string const& how, cohort::WorkerContext const& context) : how_(how) {
  if (how != "fine") last_words("Awkward");
  if (how == "throw") throw std::out_of_range("the constructor does not like it");
  if (how == "throw number") throw 42;
  if (how == "throw second" && context.index == 1) throw std::runtime_error("the second fails");
  if (how == "throw second" || how == "hang") block_for_ever();
  if (how == "_exit") ::_exit(7);
  if (how == "abort") std::abort();
}

Mortal::~Mortal() {
  if (how_.starts_with("write ")) std::ofstream(how_.substr(6)) << "destroyed";
  if (how_ == "throw") throw_from_a_destructor();
  if (how_ == "terminate") std::terminate();
  if (how_ == "hang") block_for_ever();
}

}  // namespace launch_test
