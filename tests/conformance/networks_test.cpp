// A network that stops carrying anything, while both ends keep their connection.
#include <stop_token>
#include <thread>

#include <poll.h>
#include <sys/socket.h>

#include "tests/conformance/conformance.h"
#include "transports/socket.h"

namespace conformance {
namespace {

/// Carries bytes between one client and its server, both ways, until it is cut.
class Network {
 public:
  explicit Network(cohort::Endpoint const& server) {
    std::tie(listener_, endpoint_) = cohort::listen_unix(1);
    carrying_ = std::jthread([this, server](std::stop_token const& stop) {
      auto const bound = cohort::Deadline::after(kBound);
      while (!ends_[0] && !bound.passed()) {
        if (auto client = cohort::accept_connection(listener_.get())) ends_[0] = std::move(*client);
      }
      ends_[1] = cohort::connect_to(server, bound);
      while (!stop.stop_requested()) carry();
    });
  }
  /// Where the server seems to be.
  [[nodiscard]] cohort::Endpoint const& endpoint() const { return endpoint_; }
  void cut() { carrying_ = {}; }

 private:
  void carry() {
    pollfd readable[] = {{ends_[0].get(), POLLIN, 0}, {ends_[1].get(), POLLIN, 0}};
    ::poll(readable, 2, 1);
    for (std::size_t from : {0u, 1u}) {
      char buffer[4096];
      auto const size = ::recv(ends_[from].get(), buffer, sizeof buffer, MSG_DONTWAIT);
      if (size <= 0) continue;
      cohort::send_exactly(ends_[1 - from].get(), buffer, static_cast<std::size_t>(size),
                           cohort::Deadline::after(kBound));
    }
  }

  cohort::UniqueFd listener_;
  cohort::Endpoint endpoint_;
  cohort::UniqueFd ends_[2];
  std::jthread carrying_;
};

class Networks : public Conformance {};
COHORT_EACH_PLACE(Networks);

TEST_P(Networks, ThatAreCutAreNoticedAtBothEnds) {
  options.settings.heartbeat_interval = 100ms;
  options.settings.heartbeat_timeout = 1500ms;
  auto const worker = start();
  auto ref = worker.ref();
  Network network(ref.address.endpoint);
  ref.address.endpoint = network.endpoint();
  auto const far = cohort::connect(cluster(), ref, "far");
  auto warnings = worker.log(cohort::LogLevel::kWarning);
  auto kept = far.open(fn<&Everything::keep>);
  EXPECT_EQ(far.call(fn<&Everything::greet>).get(), "far1");
  EXPECT_EQ(worker.call(fn<&Everything::sessions>).get(), 1);

  network.cut();
  auto lost = far.call(fn<&Everything::greet>);
  for (auto const& error :
       {error_of([&] { all_of(kept.output); }), error_of([&] { lost.get(); })}) {
    EXPECT_EQ(error.kind(), ErrorKind::kDisconnected);
    EXPECT_TRUE(contains(error.reason(), "no sign of life for 1500 ms (heartbeat_timeout)"));
  }
  EXPECT_FALSE(far.alive());
  auto const warning = warnings.next();
  ASSERT_TRUE(warning);
  EXPECT_TRUE(contains(warning->text, "no sign of life for 1500 ms (heartbeat_timeout)"));
  EXPECT_TRUE(eventually([&] { return worker.call(fn<&Everything::sessions>).get() == 0; }));
  EXPECT_THROW(worker.call(fn<&Everything::write_to_kept>, "to nobody").get(), Error);
  EXPECT_EQ(times_told(), 0u);
}

}  // namespace
}  // namespace conformance
