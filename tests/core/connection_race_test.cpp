// Many threads on one connection that ends abruptly: every call is settled, exactly once, with what
// it may be settled with. Worth most under ThreadSanitizer.
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/core/lab.h"
#include "tests/support/peers.h"

namespace cohort {
namespace {

using namespace std::chrono_literals;
using cohort_test_lab::Lab;
using test::Peers;
using test::Transport;

class Races : public ::testing::TestWithParam<Transport> {};
INSTANTIATE_TEST_SUITE_P(Each, Races,
                         ::testing::Values(Transport::kInproc, Transport::kUnix, Transport::kTcp),
                         ::testing::PrintToStringParamName());

struct Tally {
  std::atomic<int> good{0};
  std::atomic<int> cancelled{0};
  std::atomic<int> disconnected{0};
  std::atomic<int> wrong{0};

  [[nodiscard]] int all() const { return good + cancelled + disconnected + wrong; }
};

template <class R>
void settle(Future<R>& future, R const& expected, Tally& tally) {
  try {
    ++(future.get() == expected ? tally.good : tally.wrong);
  } catch (Error const& error) {
    ++(error.kind() == ErrorKind::kCancelled      ? tally.cancelled
       : error.kind() == ErrorKind::kDisconnected ? tally.disconnected
                                                  : tally.wrong);
  }
}

/// Calls of all sorts, some cancelled, some dropped, some waited for in another order.
int make_calls(Peers<Lab>& peers, unsigned seed, int count, Tally& tally) {
  int made = 0;
  std::vector<Future<int>> kept;
  for (int i = 0; i < count; ++i) {
    auto const choice = (seed * 7919 + static_cast<unsigned>(i) * 104'729) % 13;
    if (choice == 0) {
      std::string const text(40'000, 'y');
      auto echoed = peers.call(fn<&Lab::echo>, text);
      settle(echoed, text, tally);
      ++made;
      continue;
    }
    auto future = peers.call(fn<&Lab::add>, i, 1);
    if (choice == 1) continue;  // dropped
    ++made;
    if (choice < 4) future.cancel();
    if (choice < 6) {
      static_cast<void>(future.wait_for(std::chrono::microseconds(choice * 10)));
    }
    if (choice < 10) {
      settle(future, i + 1, tally);
    } else {
      kept.push_back(std::move(future));
    }
  }
  CompletionWatch watch;
  for (std::size_t i = 0; i < kept.size(); ++i) watch.add(kept[i], i);
  while (auto const i = watch.next()) {
    EXPECT_TRUE(kept[*i].ready());
    try {
      kept[*i].get();
      ++tally.good;
    } catch (Error const& error) {
      ++(error.kind() == ErrorKind::kDisconnected ? tally.disconnected : tally.wrong);
    }
  }
  return made;
}

TEST_P(Races, SettleEveryCallOfManyThreads) {
  Peers<Lab> peers(GetParam());
  Tally tally;
  std::atomic<int> made{0};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] { made += make_calls(peers, t, 150, tally); });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(tally.all(), made.load());
  EXPECT_EQ(tally.wrong.load(), 0);
  EXPECT_EQ(tally.disconnected.load(), 0);
  EXPECT_GT(tally.good.load(), 0);
  EXPECT_GT(tally.cancelled.load(), 0);
}

enum class Ending { kCallerCloses, kWorkerCloses, kStreamIsShutDown };

void end_amid_calls(Transport transport, Ending ending, int after_calls) {
  auto channels = test::make_channels(transport);
  auto* const worker_channel = channels.second.get();
  Peers<Lab> peers(std::move(channels));
  Tally tally;
  std::atomic<int> made{0};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] { made += make_calls(peers, t, 60, tally); });
  }
  EXPECT_TRUE(test::eventually([&] { return tally.all() >= after_calls; }));
  switch (ending) {
    case Ending::kCallerCloses:
      peers.connection().close(ErrorKind::kDisconnected, "closed amid calls");
      break;
    case Ending::kWorkerCloses:
      peers.worker_side.connection->close(ErrorKind::kDisconnected, "closed amid calls");
      break;
    case Ending::kStreamIsShutDown:
      worker_channel->shut_down();
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(tally.all(), made.load());
  EXPECT_EQ(tally.wrong.load(), 0);
  // Dropped calls wait on until the end is noticed, which nobody here does.
  EXPECT_TRUE(test::eventually([&] { return peers.connection().lost(); }));
  EXPECT_EQ(peers.connection().pending_calls(), 0u);
}

TEST_P(Races, SettleEveryCallWhenTheCallerCloses) {
  for (int i = 0; i < 5; ++i) end_amid_calls(GetParam(), Ending::kCallerCloses, i * 40);
}

TEST_P(Races, SettleEveryCallWhenTheWorkerCloses) {
  for (int i = 0; i < 5; ++i) end_amid_calls(GetParam(), Ending::kWorkerCloses, i * 40);
}

TEST_P(Races, SettleEveryCallWhenTheStreamEnds) {
  for (int i = 0; i < 5; ++i) end_amid_calls(GetParam(), Ending::kStreamIsShutDown, i * 40);
}

TEST_P(Races, CancelWhileTheReplyArrives) {
  Peers<Lab> peers(GetParam());
  for (int round = 0; round < 200; ++round) {
    auto future = peers.call(fn<&Lab::add>, round, 0);
    std::thread canceller([&] { future.cancel(); });
    canceller.join();
    try {
      EXPECT_EQ(future.get(), round);
    } catch (Error const& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kCancelled);
    }
  }
}

}  // namespace
}  // namespace cohort
