// What channel_test.cpp does not see of StreamChannel: its socket's options and its failures.
#include "transports/stream_channel.h"

#include <optional>
#include <string>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "tests/support/peers.h"

namespace cohort {
namespace {

using Status = IoResult::Status;

TEST(StreamChannel, MakesItsSocketNonBlocking) {
  auto sockets = make_socket_pair();
  StreamChannel const channel(std::move(sockets.first));
  EXPECT_NE(::fcntl(channel.descriptor(), F_GETFL) & O_NONBLOCK, 0);
}

TEST(StreamChannel, SendsSmallMessagesOverTcpWithoutDelay) {
  auto const channels = test::make_channels(test::Transport::kTcp);
  int on = 0;
  socklen_t length = sizeof on;
  ASSERT_EQ(::getsockopt(channels.first->descriptor(), IPPROTO_TCP, TCP_NODELAY, &on, &length), 0);
  EXPECT_EQ(on, 1);
}

TEST(StreamChannel, NamesTheCallThatFailed) {
  auto sockets = make_socket_pair();
  StreamChannel channel(std::move(sockets.first));
  sockets.second.reset();
  std::string text = "x";
  iovec const parts[]{{text.data(), 1}, {text.data(), 1}};
  EXPECT_EQ(channel.send({parts, 1}).status, Status::kBroken);
  EXPECT_EQ(channel.failure(), "send: Broken pipe");
  EXPECT_EQ(channel.send(parts).status, Status::kBroken);
  EXPECT_EQ(channel.failure(), "sendmsg: Broken pipe");
}

TEST(StreamChannel, TellsAResetFromAnOrderlyEnd) {
  auto [listener, endpoint] = listen_tcp({"127.0.0.1", 0}, 1);
  StreamChannel channel(connect_to(endpoint, Deadline::after(test::kBound)));
  std::optional<UniqueFd> peer;
  ASSERT_TRUE(test::eventually(
      [&, at = listener.get()] { return (peer = accept_connection(at)).has_value(); }));
  linger const at_once{.l_onoff = 1, .l_linger = 0};  // so that close sends a reset
  ASSERT_EQ(::setsockopt(peer->get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
  peer.reset();
  std::byte byte{};
  IoResult result;
  ASSERT_TRUE(test::eventually([&] {
    result = channel.receive({&byte, 1});
    return result.status != Status::kWouldBlock;
  }));
  EXPECT_EQ(result.status, Status::kBroken);
  EXPECT_EQ(channel.failure(), "recv: Connection reset by peer");
}

}  // namespace
}  // namespace cohort
