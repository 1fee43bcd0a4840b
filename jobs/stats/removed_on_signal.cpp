#include "jobs/stats/removed_on_signal.h"

#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <stdexcept>

#include <unistd.h>

namespace cohort::stats {
namespace {

constexpr std::array kSignals{SIGTERM, SIGINT, SIGHUP};

/// What a signal handler can get at is global.
struct Armed {
  volatile sig_atomic_t is_armed = 0;
  char path[PATH_MAX] = {};
  struct ::sigaction before[kSignals.size()] = {};
};
Armed armed;

extern "C" void remove_and_go_on(int number) {
  int const error = errno;
  ::unlink(armed.path);
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    if (kSignals[i] == number) ::sigaction(number, &armed.before[i], nullptr);
  }
  ::raise(number);  // comes when this returns: it is blocked meanwhile
  errno = error;
}

}  // namespace

RemovedOnSignal::RemovedOnSignal(std::string const& path) {
  if (armed.is_armed != 0) throw std::runtime_error("two temporary files at once");
  if (path.size() >= sizeof armed.path) throw std::runtime_error("File name too long");
  std::memcpy(armed.path, path.c_str(), path.size() + 1);
  armed.is_armed = 1;
  struct ::sigaction action {};
  action.sa_handler = &remove_and_go_on;
  ::sigemptyset(&action.sa_mask);
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    ::sigaction(kSignals[i], nullptr, &armed.before[i]);
    if (armed.before[i].sa_handler != SIG_IGN) ::sigaction(kSignals[i], &action, nullptr);
  }
}

RemovedOnSignal::~RemovedOnSignal() {
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    ::sigaction(kSignals[i], &armed.before[i], nullptr);
  }
  armed.is_armed = 0;
}

}  // namespace cohort::stats
