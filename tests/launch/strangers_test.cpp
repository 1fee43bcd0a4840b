// Who gets a place before it has proved who it is, and who has to go for it.
#include "launch/strangers.h"

#include <vector>

#include <sys/resource.h>
#include <unistd.h>

#include "launch/handshake_source.h"
#include "launch/runtime.h"
#include "tests/launch/support.h"
#include "tests/launch/workers.h"
#include "tests/support/strangers.h"

namespace launch_test {
namespace {

using cohort::HandshakeSource;
using cohort::SocketPeer;
using cohort::Strangers;
using cohort::test::hello_bytes;

/// Peers that a test plays, each over a socket pair, as if the kernel had said who they are.
class PlacesOfStrangers : public testing::Test {
 protected:
  struct Peer {
    cohort::UniqueFd socket;
    bool out = false;
    std::string why{};
  };

  static SocketPeer own() { return {.local = true, .uid = ::geteuid()}; }
  static SocketPeer other_user(uid_t uid = 4711) { return {.local = true, .uid = uid}; }
  static SocketPeer machine(std::string address) { return {.address = std::move(address)}; }

  /// Whether it came in without anybody having to wait.
  bool come(SocketPeer const& who) {
    bool in = false;
    runtime_.engine.run_locked([&] {
      auto [here, there] = cohort::make_socket_pair();
      auto peer = std::make_shared<Peer>(Peer{.socket = std::move(there)});
      peers.push_back(peer);
      auto const ticket = runtime_.strangers.next_ticket(who);
      auto handshake = std::make_shared<HandshakeSource>(
          runtime_, std::move(here), [this, ticket, peer](HandshakeSource::Outcome outcome) {
            runtime_.strangers.leave(ticket);
            peer->out = true;
            peer->why = outcome.refusal;
          });
      handshake->start(std::nullopt);
      sources_.push_back(handshake);
      in = runtime_.strangers.admit(ticket, handshake);
    });
    return in;
  }
  void come(SocketPeer const& who, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) EXPECT_TRUE(come(who));
  }
  /// Which ones had to go.
  std::vector<std::size_t> out() {
    std::vector<std::size_t> gone;
    runtime_.engine.run_locked([&] {
      for (std::size_t i = 0; i < peers.size(); ++i) {
        if (peers[i]->out) gone.push_back(i);
      }
    });
    return gone;
  }
  void say_hello(std::size_t peer) const {
    ASSERT_TRUE(cohort::send_exactly(peers[peer]->socket.get(), hello_.data(), hello_.size(),
                                     cohort::Deadline::after(kBound)));
  }

  PlacesOfStrangers() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    auto limit = before_;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  ~PlacesOfStrangers() override {
    for (auto const& weak : sources_) {
      if (auto const source = weak.lock()) {
        runtime_.engine.run_locked([&] { source->abandon(); });
      }
    }
    ::setrlimit(RLIMIT_NOFILE, &before_);
  }
  static void allow_descriptors(rlim_t count) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = count;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  }

  std::vector<std::shared_ptr<Peer>> peers;

 private:
  std::string const hello_ = hello_bytes();
  rlimit before_{};
  cohort::Runtime runtime_{kTypes, {}, cohort::Secret::random(), {}};
  std::vector<std::weak_ptr<HandshakeSource>> sources_;
};

TEST_F(PlacesOfStrangers, OfAnotherUserAreTakenFromThatUser) {
  come(own(), 3);
  come(other_user(), Strangers::kPlacesForOthers);
  EXPECT_TRUE(out().empty());
  come(other_user(), 2);
  EXPECT_EQ(out(), (std::vector<std::size_t>{3, 4}));
  EXPECT_TRUE(contains(peers[3]->why, "goes for a newer one: 256 more of its user"));
  come(other_user(4712), 1);
  come(own(), 1);
  EXPECT_EQ(out().size(), 2u) << "they do not suffer for it";
}

TEST_F(PlacesOfStrangers, OfAnotherMachineAreTakenFromThatMachine) {
  come(machine("10.0.0.7"), Strangers::kPlacesForOthers);
  come(machine("10.0.0.8"), 1);
  EXPECT_TRUE(out().empty());
  come(machine("10.0.0.7"), 1);
  EXPECT_EQ(out(), std::vector<std::size_t>{0});
}

TEST_F(PlacesOfStrangers, AreTakenFromThoseWhoSaidNothingFirst) {
  come(other_user(), Strangers::kPlacesForOthers);
  say_hello(0);
  say_hello(1);
  come(other_user(), Strangers::kPlacesForOthers - 2);
  auto const silent = out();
  ASSERT_EQ(silent.size(), Strangers::kPlacesForOthers - 2);
  EXPECT_EQ(silent.front(), 2u) << "who said a hello stays";
  for (std::size_t i = 0; i < 2 * Strangers::kPlacesForOthers - 2; ++i) {
    if (!peers[i]->out) say_hello(i);
  }
  come(other_user(), 1);
  EXPECT_EQ(out().front(), 0u) << "where all said one, the first goes";
}

TEST_F(PlacesOfStrangers, AreTakenFromWhoHasMostWhereAllAreTaken) {
  allow_descriptors(1000);  // 250 places
  come(machine("10.0.0.7"), 50);
  come(other_user(), 200);
  EXPECT_TRUE(out().empty());
  come(own(), 3);
  EXPECT_EQ(out(), (std::vector<std::size_t>{50, 51, 52}));
}

TEST_F(PlacesOfStrangers, OfThisUserHaveTimeToProveWhoTheyAre) {
  allow_descriptors(400);  // 100 places
  come(own(), 100);
  EXPECT_FALSE(come(own())) << "nobody has had his time: the next one waits";
  EXPECT_TRUE(out().empty());
  std::this_thread::sleep_for(Strangers::kGrace);  // their time, which is what is measured
  EXPECT_TRUE(come(own()));
  EXPECT_EQ(out(), std::vector<std::size_t>{0});
}

}  // namespace
}  // namespace launch_test
