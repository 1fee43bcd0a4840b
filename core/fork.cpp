#include "core/fork.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <mutex>
#include <string>
#include <vector>

#include <fcntl.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/error.h"

namespace cohort {

constinit std::atomic<std::uint32_t> detail::fork_depth{0};

namespace {

constexpr int kExitReturned = 70;  // EX_SOFTWARE of sysexits.h

/// Which descriptors are cohort's, a bit each; what the system's limits allow by default. Looked at
/// in a forked child, where nothing may be locked.
constexpr std::size_t kDescriptorsAtMost = 1 << 20;
constinit std::array<std::atomic<std::uint64_t>, kDescriptorsAtMost / 64> descriptors{};
constinit std::atomic<std::size_t> words_in_use{0};

/// What stands where they were: it neither closes a number that somebody may use again, nor says
/// anything to anybody.
void put_nothing_in_their_place() noexcept {
  int const nothing = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  for (std::size_t i = 0; i < words_in_use.load(std::memory_order_relaxed); ++i) {
    auto const word = descriptors[i].load(std::memory_order_relaxed);
    if (word == 0) continue;
    for (std::size_t bit = 0; bit < 64; ++bit) {
      if ((word >> bit & 1) == 0) continue;
      int const descriptor = static_cast<int>(i * 64 + bit);
      if (nothing < 0) {
        ::close(descriptor);
      } else {
        ::dup3(nothing, descriptor, O_CLOEXEC);
      }
    }
  }
  if (nothing >= 0) ::close(nothing);
}

/// In the child, before fork() returns.
void on_fork() noexcept {
  detail::fork_depth.fetch_add(1, std::memory_order_relaxed);
  int const error = errno;
  put_nothing_in_their_place();
  errno = error;
}

[[maybe_unused]] int const registered = ::pthread_atfork(nullptr, nullptr, &on_fork);

}  // namespace

void keep_from_forks(int descriptor) noexcept {
  auto const number = static_cast<std::size_t>(descriptor);
  if (descriptor < 0 || number >= kDescriptorsAtMost) return;
  auto const word = number / 64;
  descriptors[word].fetch_or(std::uint64_t{1} << number % 64, std::memory_order_relaxed);
  auto known = words_in_use.load(std::memory_order_relaxed);
  while (known <= word && !words_in_use.compare_exchange_weak(known, word + 1)) {
  }
}

void share_with_forks(int descriptor) noexcept {
  auto const number = static_cast<std::size_t>(descriptor);
  if (descriptor < 0 || number >= kDescriptorsAtMost) return;
  descriptors[number / 64].fetch_and(~(std::uint64_t{1} << number % 64), std::memory_order_relaxed);
}

void detail::keep_for_ever(std::shared_ptr<void> what) {
  static auto* const mutex = new std::mutex;
  static auto* const kept = new std::vector<std::shared_ptr<void>>;
  std::lock_guard const lock(*mutex);
  kept->push_back(std::move(what));
}

void Birthplace::refuse() {
  throw Error(ErrorKind::kRefused,
              "this process (pid " + std::to_string(::getpid()) +
                  ") is a fork of the one whose cluster, worker or stream this is: it can use none "
                  "of them, only make a Cluster of its own, exec, or end");
}

void Birthplace::leave(char const* returned_from) noexcept {
  char line[256];
  int const size =
      std::snprintf(line, sizeof line,
                    "cohort: process %d, a fork of process %d, returned from %s, which "
                    "would go on in its parent's name: it ends here (a forked child is "
                    "to end by exec or _exit)\n",
                    static_cast<int>(::getpid()), static_cast<int>(::getppid()), returned_from);
  [[maybe_unused]] auto const written =
      ::write(STDERR_FILENO, line, std::min(static_cast<std::size_t>(size), sizeof line - 1));
  ::_exit(kExitReturned);
}

}  // namespace cohort
