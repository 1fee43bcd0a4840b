#include "tests/conformance/fragile_workers.h"

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <thread>

#include <unistd.h>

namespace conformance {
namespace {

[[noreturn]] void block_for_ever() {
  for (;;) ::pause();
}

/// The variable TEST_SLOW_START says how many seconds a worker's static initialisers take.
bool start_slowly() {
  char const* const slow = std::getenv("TEST_SLOW_START");
  if (slow == nullptr || !cohort::is_worker_process()) return false;
  std::this_thread::sleep_for(std::chrono::seconds(std::atoi(slow)));
  return true;
}
[[maybe_unused]] bool const g_has_started = start_slowly();

/// A function of its own, as the compiler warns of a throw in a destructor.
void throw_from_a_destructor() { throw std::runtime_error("the destructor throws"); }

void write_at_once(cohort::Writer<int>& out) {
  out.write(1);
  out.flush();
}

}  // namespace

Awkward::Awkward(std::string const& how, cohort::WorkerContext const& context) : how_(how) {
  if (how != "fine") std::fputs("last words of Awkward\n", stderr);
  if (how == "throw") throw std::out_of_range("the constructor does not like it");
  if (how == "throw number") throw 42;
  if (how == "throw second" && context.index == 1) throw std::runtime_error("the second fails");
  if (how == "throw second" || how == "hang") block_for_ever();
  if (how == "_exit") ::_exit(7);
  if (how == "abort") std::abort();
}

double Heavy::sum() const { return std::accumulate(values_.begin(), values_.end(), 0.0); }

void Mortal::listen(cohort::Writer<int>& begun, std::stop_token stop) {
  write_at_once(begun);
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any never;
  never.wait(lock, stop, [] { return false; });
  history_ += "stopped, ";
}

void Mortal::compute_on(cohort::Writer<int>& begun) {
  write_at_once(begun);
  auto const end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (std::chrono::steady_clock::now() < end) {
  }
}

void Mortal::listen_and_throw(cohort::Writer<int>& begun, std::stop_token stop) {
  listen(begun, std::move(stop));
  throw std::runtime_error("throws as it is stopped");
}

Mortal::~Mortal() {
  if (how_.starts_with("write ")) std::ofstream(how_.substr(6)) << history_ + "destroyed";
  if (how_ == "throw") throw_from_a_destructor();
  if (how_ == "terminate") std::terminate();
  if (how_ == "hang") block_for_ever();
  if (how_ == "exit") ::_exit(3);
  if (how_ == "crash") {
    std::signal(SIGSEGV, SIG_DFL);  // the sanitizers handle it themselves
    std::raise(SIGSEGV);
  }
}

}  // namespace conformance
