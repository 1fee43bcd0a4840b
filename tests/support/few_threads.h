// Threads that cannot be started: this program's own pthread_create fails when it is told to, as it
// does at the limit on processes, for whoever runs the tests and whatever they may do.
#pragma once

namespace cohort::test {

/// From now on `before` more threads can be started, and then none, until the scope ends.
class FewThreads {
 public:
  explicit FewThreads(int before);
  FewThreads(FewThreads const&) = delete;
  FewThreads& operator=(FewThreads const&) = delete;
  ~FewThreads();
  /// How many were refused.
  [[nodiscard]] static int refused();
};

/// Of a child of the test: how many of its threads can be started.
inline constexpr char kThreadsVariable[] = "TEST_THREADS_LEFT";

}  // namespace cohort::test
