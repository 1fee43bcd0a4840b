#include "core/call_slot.h"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "core/client.h"
#include "core/dispatcher.h"
#include "core/engine.h"

namespace cohort {
namespace {

constexpr FunctionEntry kFirst{"first", nullptr};
constexpr FunctionEntry kSecond{"second", nullptr};

class CallSlots : public ::testing::Test {
 protected:
  Engine engine;
  Dispatcher dispatcher{engine};
  Client client;
};

TEST_F(CallSlots, HoldTheCallThatRunsAndNoneAfterwards) {
  CallSlot slot(dispatcher);
  EXPECT_FALSE(slot.read());
  {
    CallSlot::Run const run(&slot, client, CallId{7}, kFirst);
    auto const content = slot.read();
    ASSERT_TRUE(content);
    EXPECT_EQ(content->client, &client);
    EXPECT_EQ(content->call, CallId{7});
    EXPECT_EQ(content->entry, &kFirst);
    EXPECT_LE(content->since, Clock::now());
  }
  EXPECT_FALSE(slot.read());
}

TEST_F(CallSlots, AreThoseOfTheirThread) {
  EXPECT_EQ(CallSlot::of_this_thread(), nullptr);
  {
    CallSlot const slot(dispatcher);
    EXPECT_EQ(CallSlot::of_this_thread(), &slot);
    std::jthread([] { EXPECT_EQ(CallSlot::of_this_thread(), nullptr); });
  }
  EXPECT_EQ(CallSlot::of_this_thread(), nullptr);
}

TEST_F(CallSlots, AreReadWholeWhileTheyChange) {
  CallSlot slot(dispatcher);
  std::atomic<bool> stop{false};
  std::jthread reader([&] {
    while (!stop.load()) {
      auto const content = slot.read();
      if (!content) continue;
      bool const is_first = content->entry == &kFirst;
      ASSERT_EQ(content->call, CallId{is_first ? 1u : 2u});
    }
  });
  for (int i = 0; i < 200'000; ++i) {
    CallSlot::Run const first(&slot, client, CallId{1}, kFirst);
    CallSlot::Run const second(&slot, client, CallId{2}, kSecond);
  }
  stop.store(true);
}

}  // namespace
}  // namespace cohort
