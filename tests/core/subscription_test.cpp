// Streams that are fed to callbacks, over every transport.
#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <string>

#include "tests/core/fountain.h"

namespace cohort {
namespace {

class Subscriptions : public OverEachTransport {};
COHORT_OVER_EACH_TRANSPORT(Subscriptions);

TEST_P(Subscriptions, FeedACallback) {
  auto open = peers.open(fn<&Fountain::count>, 10'000);
  std::int64_t sum = 0;
  CloseReason end{};
  auto const subscription =
      std::move(open.output)
          .subscribe([&](int value) { sum += value; }, [&](CloseReason reason) { end = reason; });
  EXPECT_EQ(subscription.wait(), CloseReason::kFinished);
  EXPECT_EQ(sum, 9'999LL * 5'000);
  EXPECT_EQ(end, CloseReason::kFinished);
}

TEST_P(Subscriptions, AreClosedByACallbackThatHasEnough) {
  auto open = peers.open(fn<&Fountain::count_for_ever>);
  int calls = 0;
  auto const subscription =
      std::move(open.output).subscribe([&](std::int64_t) { return ++calls < 5; });
  EXPECT_EQ(subscription.wait(), CloseReason::kClosedHere);
  EXPECT_EQ(calls, 5);
  EXPECT_TRUE(peers.object.ended.wait());
}

TEST_P(Subscriptions, GiveWhatACallbackThrewToWhoWaits) {
  auto open = peers.open(fn<&Fountain::count_for_ever>);
  auto const subscription = std::move(open.output).subscribe([](std::int64_t value) {
    throw std::out_of_range(std::to_string(value));
  });
  EXPECT_THROW(subscription.wait(), std::out_of_range);
  EXPECT_TRUE(peers.object.ended.wait());
}

TEST_P(Subscriptions, TellASubscriptionHowTheyFailed) {
  auto open = peers.open(fn<&Fountain::count_then_throw>, 3);
  int calls = 0;
  auto const subscription = std::move(open.output).subscribe([&](int) { ++calls; });
  EXPECT_EQ(error_of([&] { subscription.wait(); }).reason(), "dry");
  EXPECT_EQ(calls, 3);
}

TEST_P(Subscriptions, TellOnEndWhyTheyFailedThoughTheyAreDetached) {
  test::Signal ended;
  std::optional<Error> why;
  peers.open(fn<&Fountain::count_then_throw>, 3)
      .output
      .subscribe([](int) {},
                 [&](CloseReason reason, std::optional<Error> const& error) {
                   EXPECT_EQ(reason, CloseReason::kFailed);
                   why = error;
                   ended.set();
                 })
      .detach();
  ASSERT_TRUE(ended.wait());
  ASSERT_TRUE(why);
  EXPECT_EQ(why->reason(), "dry");
}

TEST_P(Subscriptions, HaveTheErrorThatEndedThem) {
  auto const failed = peers.open(fn<&Fountain::count_then_throw>, 3).output.subscribe([](int) {});
  ASSERT_TRUE(failed.wait_for(test::kBound));
  ASSERT_TRUE(failed.error());
  EXPECT_EQ(failed.error()->reason(), "dry");
  auto const finished = peers.open(fn<&Fountain::count>, 3).output.subscribe([](int) {});
  EXPECT_EQ(finished.wait(), CloseReason::kFinished);
  EXPECT_FALSE(finished.error());
}

TEST_P(Subscriptions, FeedACallbackOfTheWorker) {
  auto open = peers.open(fn<&Fountain::sum_by_callback>);
  open.result.get();
  for (int i = 1; i <= 100; ++i) open.input.write(i);
  EXPECT_TRUE(eventually([&] { return peers.object.received.load() == 5050; }));
  open.input.close();
  EXPECT_TRUE(peers.object.ended.wait());
  EXPECT_EQ(peers.object.seen_reason.load(), CloseReason::kFinished);
}

TEST_P(Subscriptions, LetCallbacksCallAndWait) {
  auto open = peers.open(fn<&Fountain::keep>);
  open.result.get();
  int sum = 0;
  auto const subscription = std::move(open.output).subscribe([&](std::string const& text) {
    auto inner = peers.open(fn<&Fountain::count>, static_cast<int>(text.size()));
    for (int const i : inner.output) sum += i;
  });
  peers.object.kept.write("four");
  peers.object.kept.write("three");
  peers.object.kept = {};
  EXPECT_EQ(subscription.wait(), CloseReason::kFinished);
  EXPECT_EQ(sum, 6 + 10);
}

TEST_P(Subscriptions, TellOfACallbackThatThrewWhereNobodyWaits) {
  Signal heard;
  std::string text;
  peers.worker_engine.on_uncaught([&](ExceptionText const& thrown) {
    text = thrown.what;
    heard.set();
  });
  auto open = peers.open(fn<&Fountain::die_in_callback>);
  open.input.write(1);
  ASSERT_TRUE(heard.wait());
  EXPECT_EQ(text, "in a callback");
}

TEST_P(Subscriptions, AreClosedWhenTheirSubscriptionGoesAndNoCallbackRunsAfterwards) {
  auto open = peers.open(fn<&Fountain::count_for_ever>);
  auto alive = std::make_unique<std::atomic<std::int64_t>>(0);
  {
    auto const subscription =
        std::move(open.output).subscribe([&alive](std::int64_t) { ++*alive; });
    EXPECT_TRUE(eventually([&] { return *alive > 1000; }));
  }
  alive.reset();
  EXPECT_TRUE(peers.object.ended.wait());
}

TEST_P(Subscriptions, LetNoCallbackWaitForItsOwnEnd) {
  auto open = peers.open(fn<&Fountain::count>, 1);
  Subscription subscription;
  EXPECT_THROW(subscription.wait(), std::logic_error) << "it belongs to no stream";
  EXPECT_THROW(Stream<int>().subscribe([](int) {}).detach(), std::logic_error);
  std::promise<void> assigned;
  bool refused = false;
  subscription = std::move(open.output).subscribe([&, ready = assigned.get_future()](int) {
    ready.wait();
    try {
      subscription.wait();
    } catch (std::logic_error const&) {
      refused = true;
    }
  });
  assigned.set_value();
  EXPECT_EQ(subscription.wait(), CloseReason::kFinished);
  EXPECT_TRUE(refused);
}

TEST_P(Subscriptions, TellOfACallbackThatThrewBeforeItsSubscriptionWasLeft) {
  std::atomic<int> heard{0};
  peers.caller_engine.on_uncaught([&](ExceptionText const&) { ++heard; });
  auto const throwing = [&] {
    Signal thrown;
    auto open = peers.open(fn<&Fountain::count>, 1);
    auto subscription = std::move(open.output)
                            .subscribe([](int) { throw std::runtime_error("early"); },
                                       [&](CloseReason) { thrown.set(); });
    EXPECT_TRUE(thrown.wait());
    EXPECT_TRUE(subscription.wait_for(20s));
    return subscription;
  };
  throwing().detach();
  EXPECT_EQ(heard, 1);
  { auto const dropped = throwing(); }
  EXPECT_EQ(heard, 2);
  {
    auto const waited_for = throwing();
    EXPECT_THROW(waited_for.wait(), std::runtime_error);
  }
  EXPECT_EQ(heard, 2) << "once is enough";
}

// All of a stream has arrived, and its end, before anybody looks at it.

TEST_P(Subscriptions, StopWhereTheCallbackHasEnoughThoughTheEndHasArrived) {
  auto open = peers.open(fn<&Fountain::count>, 1000);
  open.result.get();
  int seen = 0;
  auto const subscription = std::move(open.output).subscribe([&](int) { return ++seen < 5; });
  EXPECT_EQ(subscription.wait(), CloseReason::kClosedHere);
  EXPECT_EQ(seen, 5);
}

TEST_P(Subscriptions, StopAtCloseThoughTheEndHasArrived) {
  auto open = peers.open(fn<&Fountain::count>, 1000);
  open.result.get();
  std::promise<void> closed;
  int seen = 0;
  auto const subscription = std::move(open.output).subscribe([&, ready = closed.get_future()](int) {
    if (++seen == 1) ready.wait();
  });
  subscription.close();
  closed.set_value();
  EXPECT_EQ(subscription.wait(), CloseReason::kClosedHere);
  EXPECT_LE(seen, 1);
}

TEST_P(Subscriptions, TellWhatACallbackThrewAtTheLastElementOfAStreamThatFailed) {
  auto open = peers.open(fn<&Fountain::count_then_throw>, 3);
  EXPECT_THROW(open.result.get(), Error);
  auto const subscription = std::move(open.output).subscribe([](int value) {
    if (value == 2) throw std::out_of_range("in the callback");
  });
  EXPECT_THROW(subscription.wait(), std::out_of_range);
}

TEST_P(Subscriptions, BeginWithWhatWasFetchedBefore) {
  auto open = peers.open(fn<&Fountain::count_and_keep>, 10);
  open.result.get();
  EXPECT_EQ(open.output.next(), 0);
  std::atomic<int> seen{0};
  auto const subscription = std::move(open.output).subscribe([&](int) { ++seen; });
  EXPECT_TRUE(eventually([&] { return seen == 9; }));
}

TEST_P(Subscriptions, RunNoCallbackOnceACallbackDroppedThem) {
  auto open = peers.open(fn<&Fountain::count>, 1000);
  open.result.get();
  auto alive = std::make_shared<int>(0);
  std::weak_ptr<int> const watched = alive;
  std::optional<Subscription> subscription;
  std::promise<void> assigned;
  std::atomic<int> calls_afterwards{0};
  subscription.emplace(std::move(open.output)
                           .subscribe(
                               [&, alive, ready = assigned.get_future()](int) {
                                 ready.wait();
                                 if (!subscription) ++calls_afterwards;
                                 subscription.reset();
                               },
                               [&](CloseReason) { ++calls_afterwards; }));
  alive.reset();
  assigned.set_value();
  EXPECT_TRUE(eventually([&] { return watched.expired(); })) << "its callbacks are released";
  EXPECT_EQ(calls_afterwards, 0);
}

}  // namespace
}  // namespace cohort
