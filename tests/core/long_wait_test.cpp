// Waits that last are looked at, by the thread that waits, whoever drives the engine.
#include "core/long_wait.h"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "core/engine.h"
#include "tests/support/waiting.h"

namespace cohort {
namespace {

using namespace std::chrono_literals;

class Looker final : public LongWait {
 public:
  explicit Looker(std::function<void()> at_look = {}) : at_look_(std::move(at_look)) {}
  [[nodiscard]] int looks() const { return looks_.load(); }

 private:
  void look() noexcept override {
    EXPECT_EQ(std::this_thread::get_id(), thread_);
    ++looks_;
    if (at_look_) at_look_();
    look_again(Clock::now() + 1ms);
  }

  std::function<void()> at_look_;
  std::thread::id const thread_ = std::this_thread::get_id();
  std::atomic<int> looks_{0};
};

TEST(LongWaits, AreLookedAtAgainAndAgain) {
  Engine engine;
  Event event;
  Looker* looking = nullptr;
  Looker lasting([&] {
    if (looking->looks() == 5) event.set(engine);
  });
  looking = &lasting;
  EXPECT_TRUE(engine.wait(event, Deadline::after(test::kBound), &lasting));
  EXPECT_EQ(lasting.looks(), 5);
}

TEST(LongWaits, AreLookedAtWhereAnotherThreadDrives) {
  Engine engine;
  Event never;
  Event event;
  std::atomic<bool> done{false};
  std::jthread driver([&] {
    while (!done.load()) engine.wait(never, Deadline::after(10ms));
  });
  Looker* looking = nullptr;
  Looker lasting([&] {
    if (looking->looks() == 5) event.set(engine);
  });
  looking = &lasting;
  EXPECT_TRUE(engine.wait(event, Deadline::after(test::kBound), &lasting));
  EXPECT_EQ(lasting.looks(), 5);
  done.store(true);
}

TEST(LongWaits, OfThreadsThatDriveByTurnsAreAllLookedAt) {
  Engine engine;
  constexpr int kThreads = 4;
  std::array<Event, kThreads> events;
  std::vector<std::jthread> threads;
  for (auto& event : events) {
    threads.emplace_back([&engine, &event] {
      Looker* looking = nullptr;
      Looker lasting([&] {
        if (looking->looks() == 20) event.set(engine);
      });
      looking = &lasting;
      EXPECT_TRUE(engine.wait(event, Deadline::after(test::kBound), &lasting));
    });
  }
}

TEST(LongWaits, AreNotLookedAtBeforeTheyHaveLasted) {
  Engine engine;
  Looker lasting;
  Event ready;
  ready.set(engine);
  EXPECT_TRUE(engine.wait(ready, Deadline::never(), &lasting));
  Event event;
  EXPECT_FALSE(engine.wait(event, Deadline::after(1ms), &lasting));
  EXPECT_EQ(lasting.looks(), 0);
}

TEST(LongWaits, EndWithTheirDeadlineThoughTheyAreLookedAt) {
  Engine engine;
  Looker lasting;
  Event event;
  EXPECT_FALSE(engine.wait(event, Deadline::after(3 * LongWait::kFirstLook), &lasting));
  EXPECT_GT(lasting.looks(), 0);
}

}  // namespace
}  // namespace cohort
