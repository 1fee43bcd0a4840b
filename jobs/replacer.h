// Starts the workers of a group's places: at first all, then those that are lost. One that cannot
// be started is tried again later, for as long as there is work, by a thread that holds no lock of
// the group's; all operations wait for the same attempts.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "core/clock.h"
#include "core/fork.h"
#include "core/future.h"
#include "core/message.h"
#include "jobs/pool_options.h"
#include "launch/app_types.h"
#include "launch/log.h"
#include "launch/worker_handle.h"

namespace cohort {

class Cluster;
class RemoteWorker;

/// The life of one place:
///   kStarting → kWorks     its worker was constructed
///   kStarting → kEmpty     it could not be started
///   kStarting → kForsaken  the same, and none can ever be
///   kWorks    → kEmpty     it was lost
///   kEmpty    → kStarting  it is time to try
/// Any thread. Its lock comes after that of the group.
class Replacer {
 public:
  /// Puts a worker in its place. Called without the replacer's lock.
  using Fill = std::function<void(std::size_t place, std::shared_ptr<WorkerHandle> worker)>;

  /// Starts all, and waits until each has come or failed. Throws the first failure where all
  /// failed; what Cluster::start_workers throws; Error (kRefused) where there is no thread to
  /// have.
  Replacer(Cluster& cluster, WorkerTypeId type, std::shared_ptr<Message const> init,
           PoolOptions const& options, Fill fill);
  Replacer(Replacer const&) = delete;
  Replacer& operator=(Replacer const&) = delete;
  /// Waits for no start, and for no retry.
  ~Replacer();

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// Places with a worker that is not known to be lost.
  [[nodiscard]] std::size_t working() const noexcept { return working_.load(); }
  /// The worker of this place is lost.
  void lost(std::size_t place);

  /// An operation that has tasks, as long as this lives. While it has calls under way it waits in
  /// `queue`, which is given kNews when a place was filled; then it calls heard().
  class Work {
   public:
    Work(Replacer& replacer, std::shared_ptr<CompletionQueue> queue);
    Work(Work const&) = delete;
    Work& operator=(Work const&) = delete;
    ~Work();
    void heard() noexcept { told_.store(false); }

   private:
    friend class Replacer;
    void tell();

    Replacer& replacer_;
    std::shared_ptr<CompletionQueue> const queue_;
    std::atomic<bool> told_{false};
  };
  static constexpr std::size_t kNews = static_cast<std::size_t>(-1);

  /// For an operation that has no call under way: waits until a place is filled. Throws why none
  /// can be, at once where none ever can, else after PoolOptions::give_up_after.
  void wait_for_a_worker();

 private:
  enum class State : std::uint8_t { kWorks, kEmpty, kStarting, kForsaken };
  struct Place {
    State state = State::kEmpty;
    bool troubled = false;  // could not be started the last time
    Clock::time_point retry_at{};
    std::chrono::milliseconds delay{};
    std::shared_ptr<RemoteWorker> starting{};  // of the thread alone, once it runs
    Deadline deadline = Deadline::never();
  };
  using Lock = std::unique_lock<std::mutex>;

  void start_all();
  void run();
  void start_what_is_due(Lock& lock);
  void watch(std::size_t index, std::shared_ptr<RemoteWorker> worker, Deadline deadline);
  void settle(std::size_t index, Lock& lock);
  void give_up_the_late(Lock& lock);
  void put(std::size_t index, Lock& lock);
  void note_failure(std::size_t index, Error why, Lock& lock);
  void begin_emptiness();
  void kick();
  [[nodiscard]] bool is_wanted(Place const& place) const;
  [[nodiscard]] Clock::time_point next_instant() const;
  [[nodiscard]] std::size_t count(State state) const;
  [[nodiscard]] std::chrono::milliseconds jittered(std::chrono::milliseconds delay);
  [[noreturn]] void throw_failure(std::string const& since) const;
  void note_change();
  void tell_of_changes(Lock& lock);
  [[nodiscard]] std::string describe() const;

  Birthplace const birthplace_;
  Cluster& cluster_;
  WorkerTypeId const type_;
  std::shared_ptr<Message const> const init_;
  PoolOptions const options_;
  Fill const fill_;
  std::size_t size_ = 0;

  std::mutex mutable mutex_;
  std::condition_variable changed_;  // for the thread, and for who waits for a worker
  std::vector<Place> places_;
  std::atomic<std::size_t> working_{0};
  std::vector<Work*> works_;
  bool stop_ = false;
  // Since when no place has a worker though there is work, and whether a start failed since.
  Clock::time_point empty_since_{};
  bool failed_since_ = false;
  std::optional<Error> last_failure_;
  // What the log was told.
  std::size_t told_working_ = 0;
  bool told_of_trouble_ = false;
  Clock::time_point told_at_{};
  Clock::time_point tell_at_ = Clock::time_point::max();

  std::shared_ptr<CompletionQueue> const queue_;  // of what is being started
  CompletionWatch watch_;
  bool listens_ = false;  // to the queue, not to changed_
  std::minstd_rand random_;
  std::thread thread_;
};

}  // namespace cohort
