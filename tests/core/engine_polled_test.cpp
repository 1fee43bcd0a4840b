// How an Engine treats a source without a descriptor for its traffic, as MPI is.
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/engine.h"
#include "core/error.h"
#include "tests/core/bell.h"
#include "tests/support/waiting.h"

namespace cohort {
namespace {

using namespace std::chrono_literals;
using test::Bell;
using test::kBound;

/// Traffic that rings only where the source was asleep when it came.
class Mailbox : public PolledSource {
 public:
  explicit Mailbox(std::function<void()> on_mail = [] {})
      : descriptor_(check(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd")),
        on_mail_(std::move(on_mail)) {}
  ~Mailbox() override { ::close(descriptor_); }

  /// Returns whether it had to ring.
  bool post() {
    std::lock_guard const lock(mutex_);
    ++mail_;
    if (asleep_) ring();
    return asleep_;
  }
  [[nodiscard]] bool asleep() const {
    std::lock_guard const lock(mutex_);
    return asleep_;
  }
  std::atomic<int> received{0};
  std::atomic<bool> always_has_mail{false};

  [[nodiscard]] int descriptor() const noexcept override { return descriptor_; }
  bool on_readable() noexcept override { return poll(); }
  bool poll() noexcept override {
    int taken = 0;
    {
      std::lock_guard const lock(mutex_);
      asleep_ = false;
      std::uint64_t rings = 0;
      if (rang_) static_cast<void>(::read(descriptor_, &rings, sizeof rings) < 0);
      rang_ = false;
      taken = std::exchange(mail_, 0);
    }
    received += taken;
    if (taken > 0) on_mail_();
    return taken > 0 || always_has_mail.load();
  }
  bool go_to_sleep() noexcept override {
    std::lock_guard const lock(mutex_);
    if (mail_ > 0) return false;
    asleep_ = true;
    return true;
  }

 private:
  void ring() {
    std::uint64_t const one = 1;
    check(::write(descriptor_, &one, sizeof one), "write");
    rang_ = true;
  }

  int descriptor_;
  std::function<void()> on_mail_;
  mutable std::mutex mutex_;
  int mail_ = 0;
  bool asleep_ = false;
  bool rang_ = false;
};

TEST(PolledSource, IsPolledByAThreadThatWaits) {
  Engine engine(Engine::Options{.spin = 20us, .tick = 1h});
  Event event;
  auto const mailbox = std::make_shared<Mailbox>([&] { event.set(engine); });
  engine.attach(mailbox);
  EXPECT_FALSE(mailbox->post()) << "it was not asleep, so it did not ring";
  EXPECT_TRUE(engine.wait(event, Deadline::after(kBound)));
  engine.detach(*mailbox);
}

TEST(PolledSource, SleepsWhileAThreadBlocksAndRingsForTraffic) {
  Engine engine(Engine::Options{.spin = 0us, .tick = 1h});
  Event event;
  auto const mailbox = std::make_shared<Mailbox>([&] { event.set(engine); });
  engine.attach(mailbox);
  std::thread poster([&] {
    EXPECT_TRUE(test::eventually([&] { return mailbox->asleep(); }));
    EXPECT_TRUE(mailbox->post());
  });
  EXPECT_TRUE(engine.wait(event, Deadline::after(kBound)));
  poster.join();
  engine.detach(*mailbox);
}

TEST(PolledSource, LosesNoTrafficThatComesWhenAThreadIsAboutToBlock) {
  Engine engine(Engine::Options{.spin = 0us, .tick = 1h});
  std::atomic<Event*> waiting{nullptr};
  auto const mailbox = std::make_shared<Mailbox>([&] { waiting.load()->set(engine); });
  engine.attach(mailbox);
  for (int round = 0; round < 300; ++round) {
    Event event;
    waiting.store(&event);
    std::thread poster([&] { mailbox->post(); });
    ASSERT_TRUE(engine.wait(event, Deadline::after(kBound)));
    poster.join();
  }
  engine.detach(*mailbox);
}

TEST(PolledSource, IsAttendedToWhenNobodyDrives) {
  Engine engine(Engine::Options{.spin = 0us, .tick = 1ms});
  auto const mailbox = std::make_shared<Mailbox>();
  engine.attach(mailbox);
  for (int i = 1; i <= 20; ++i) {
    mailbox->post();
    ASSERT_TRUE(test::eventually([&] { return mailbox->received.load() == i; }));
  }
  engine.detach(*mailbox);
}

TEST(PolledSource, IsAttendedToAfterADriverPolledItAwakeAndLeft) {
  Engine engine(Engine::Options{.spin = 30s, .tick = 1ms});
  auto const mailbox = std::make_shared<Mailbox>();
  engine.attach(mailbox);
  for (int round = 0; round < 50; ++round) {
    ASSERT_TRUE(test::eventually([&] { return mailbox->asleep(); }));  // the backup watches
    Event event;
    engine.timers().schedule(Clock::now(), [&] { event.set(engine); });
    ASSERT_TRUE(engine.wait(event, Deadline::after(kBound)));
    auto const seen = mailbox->received.load();
    mailbox->post();
    ASSERT_TRUE(test::eventually([&] { return mailbox->received.load() > seen; }, 10s)) << round;
  }
  engine.detach(*mailbox);
}

/// Its traffic is announced by another source, as MPI's is by a bell on a socket.
class Announced : public PolledSource {
 public:
  std::atomic<bool> announced{false};

  [[nodiscard]] int descriptor() const noexcept override { return -1; }
  bool on_readable() noexcept override { return poll(); }
  bool poll() noexcept override { return announced.exchange(false); }
  bool go_to_sleep() noexcept override { return !announced; }
};

// The backup thread watches, too, but finds the bell silent where the driver was quicker.
TEST(PolledSource, IsAttendedToAfterADriverHeardItsBellAndLeft) {
  Engine engine(Engine::Options{.spin = 0us, .tick = 1ms});
  auto const announced = std::make_shared<Announced>();
  std::atomic<Event*> waiting{nullptr};
  auto const bell = std::make_shared<Bell>([&] {
    announced->announced = true;
    waiting.load()->set(engine);
  });
  engine.attach(announced);
  engine.attach(bell);
  for (int round = 0; round < 30; ++round) {
    std::this_thread::sleep_for(5ms);  // so that the backup thread watches
    Event event;
    waiting = &event;
    std::thread ringer([&] {
      std::this_thread::sleep_for(1ms);  // so that this thread blocks
      bell->ring();
    });
    EXPECT_TRUE(engine.wait(event, Deadline::after(kBound)));
    ringer.join();
    ASSERT_TRUE(test::eventually([&] { return !announced->announced; }, 5s)) << round;
  }
  engine.detach(*bell);
  engine.detach(*announced);
}

TEST(PolledSource, ThatNeverPausesLetsTimersRun) {
  Engine engine(Engine::Options{.spin = 20us, .tick = 1h});
  auto const mailbox = std::make_shared<Mailbox>();
  mailbox->always_has_mail.store(true);
  engine.attach(mailbox);
  Event event;
  engine.timers().schedule(Clock::now() + 1ms, [&] { event.set(engine); });
  EXPECT_TRUE(engine.wait(event, Deadline::after(kBound)));
  engine.detach(*mailbox);
}

TEST(PolledSource, MayDetachItselfWhileItIsPolled) {
  Engine engine(Engine::Options{.spin = 20us, .tick = 1h});
  Event event;
  std::shared_ptr<Mailbox> first;
  first = std::make_shared<Mailbox>([&] {
    engine.detach(*first);
    event.set(engine);
  });
  auto const second = std::make_shared<Mailbox>();
  first->post();
  second->post();
  engine.attach(second);
  engine.attach(first);
  EXPECT_TRUE(engine.wait(event, Deadline::after(kBound)));
  EXPECT_TRUE(test::eventually([&] {
    Event never;
    engine.wait(never, Deadline::after(0s));
    return second->received.load() == 1;
  }));
  engine.detach(*second);
}

}  // namespace
}  // namespace cohort
