#include "tests/launch/workers.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
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

void Saboteur::print(std::string const& out, std::string const& err) {
  std::fputs(out.c_str(), stdout);
  std::fflush(stdout);
  std::fputs(err.c_str(), stderr);
}

}  // namespace launch_test
