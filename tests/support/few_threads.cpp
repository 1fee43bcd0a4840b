#include "tests/support/few_threads.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>

#include <dlfcn.h>
#include <pthread.h>

namespace {

constexpr int kAll = -1;

int from_environment() {
  char const* const text = std::getenv(cohort::test::kThreadsVariable);
  return text != nullptr ? std::atoi(text) : kAll;
}

std::atomic<int> g_left{kAll};
std::atomic<int> g_refused{0};
std::atomic<bool> g_asked{false};

bool may_start() {
  if (!g_asked.exchange(true)) g_left.store(from_environment());
  for (int left = g_left.load(); left != kAll;) {
    if (left == 0) {
      g_refused.fetch_add(1);
      return false;
    }
    if (g_left.compare_exchange_weak(left, left - 1)) return true;
  }
  return true;
}

}  // namespace

extern "C" int pthread_create(pthread_t* thread, pthread_attr_t const* attributes,
                              void* (*run)(void*), void* argument) {
  using Create = int (*)(pthread_t*, pthread_attr_t const*, void* (*)(void*), void*);
  static auto const create = reinterpret_cast<Create>(::dlsym(RTLD_NEXT, "pthread_create"));
  return may_start() ? create(thread, attributes, run, argument) : EAGAIN;
}

namespace cohort::test {

FewThreads::FewThreads(int before) {
  g_asked.store(true);
  g_refused.store(0);
  g_left.store(before);
}
FewThreads::~FewThreads() { g_left.store(kAll); }
int FewThreads::refused() { return g_refused.load(); }

}  // namespace cohort::test
