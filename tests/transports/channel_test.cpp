// The contract of core/channel.h, which every transport keeps.
#include "core/channel.h"

#include <array>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <poll.h>

#include "tests/support/peers.h"

namespace cohort {
namespace {

using Status = IoResult::Status;
using test::Transport;

class Channels : public ::testing::TestWithParam<Transport> {
 protected:
  test::ChannelPair pair{test::make_channels(GetParam())};
  Channel& left = *pair.first;
  Channel& right = *pair.second;
};
INSTANTIATE_TEST_SUITE_P(Each, Channels,
                         ::testing::Values(Transport::kInproc, Transport::kUnix, Transport::kTcp),
                         ::testing::PrintToStringParamName());

iovec part(std::string&& text) = delete;
iovec part(std::string const& text) { return {const_cast<char*>(text.data()), text.size()}; }

bool is_ready(Channel const& channel, short events, int timeout_ms) {
  pollfd wanted{channel.descriptor(), events, 0};
  return ::poll(&wanted, 1, timeout_ms) == 1 && (wanted.revents & events) != 0;
}
bool becomes_ready(Channel const& channel, short events) {
  return is_ready(channel, events, 30'000);
}

/// Receives until it would block or the stream ends; says which.
Status receive_into(Channel& channel, std::string& text, std::size_t at_most = 1 << 16) {
  std::string piece(at_most, '\0');
  for (;;) {
    auto const result = channel.receive(std::as_writable_bytes(std::span(piece)));
    if (result.status != Status::kMoved) return result.status;
    text.append(piece, 0, result.bytes);
  }
}

std::string receive_exactly(Channel& channel, std::size_t count) {
  std::string text;
  while (text.size() < count && becomes_ready(channel, POLLIN)) {
    std::string piece(count - text.size(), '\0');
    auto const result = channel.receive(std::as_writable_bytes(std::span(piece)));
    if (result.status != Status::kMoved) break;
    text.append(piece, 0, result.bytes);
  }
  return text;
}

TEST_P(Channels, HaveNothingToSayAtFirst) {
  std::string text;
  EXPECT_EQ(receive_into(left, text), Status::kWouldBlock);
  EXPECT_FALSE(is_ready(left, POLLIN, 0));
  EXPECT_TRUE(is_ready(left, POLLOUT, 0));
}

TEST_P(Channels, DeliverBytesInOrderBothWays) {
  std::string const one = "to the right";
  std::string const two = "to the left";
  auto const a = part(one);
  auto const b = part(two);
  EXPECT_EQ(left.send({&a, 1}).bytes, one.size());
  EXPECT_EQ(right.send({&b, 1}).bytes, two.size());
  EXPECT_EQ(receive_exactly(right, one.size()), one);
  EXPECT_EQ(receive_exactly(left, two.size()), two);
  EXPECT_FALSE(is_ready(right, POLLIN, 0));
}

TEST_P(Channels, TakeManyPartsAsOneRunOfBytes) {
  std::vector<std::string> texts;
  std::vector<iovec> parts;
  std::string all;
  for (int i = 0; i < 64; ++i) texts.push_back(std::to_string(i) + (i % 7 == 0 ? "" : ","));
  for (auto const& text : texts) {
    parts.push_back(part(text));
    all += text;
  }
  EXPECT_EQ(left.send(parts).bytes, all.size());
  EXPECT_EQ(receive_exactly(right, all.size()), all);
}

TEST_P(Channels, AreReadableUntilAllWasReceived) {
  std::string const text = "four";
  auto const a = part(text);
  ASSERT_EQ(left.send({&a, 1}).bytes, text.size());
  EXPECT_EQ(receive_exactly(right, 3), "fou");
  EXPECT_TRUE(is_ready(right, POLLIN, 0));
  EXPECT_EQ(receive_exactly(right, 1), "r");
  EXPECT_FALSE(is_ready(right, POLLIN, 0));
}

TEST_P(Channels, BlockTheSenderUntilThereIsRoom) {
  std::string const block(1 << 20, 'b');
  auto const a = part(block);
  std::size_t taken = 0;
  IoResult result;
  while ((result = left.send({&a, 1})).status == Status::kMoved) taken += result.bytes;
  ASSERT_EQ(result.status, Status::kWouldBlock);
  EXPECT_FALSE(is_ready(left, POLLOUT, 0));
  EXPECT_EQ(receive_exactly(right, taken).size(), taken);
  EXPECT_TRUE(becomes_ready(left, POLLOUT));
  EXPECT_EQ(left.send({&a, 1}).status, Status::kMoved);
}

TEST_P(Channels, CarryMuchFromOneThreadToAnother) {
  std::string sent(3 << 20, '\0');
  for (std::size_t i = 0; i < sent.size(); i += 997) sent[i] = static_cast<char>(i / 997);
  std::thread sender([&] {
    std::string_view rest = sent;
    while (!rest.empty()) {
      iovec const a{const_cast<char*>(rest.data()), rest.size()};
      auto const result = left.send({&a, 1});
      if (result.status == Status::kMoved) {
        rest.remove_prefix(result.bytes);
      } else {
        ASSERT_EQ(result.status, Status::kWouldBlock);
        ASSERT_TRUE(becomes_ready(left, POLLOUT));
      }
    }
  });
  EXPECT_TRUE(receive_exactly(right, sent.size()) == sent);
  sender.join();
}

TEST_P(Channels, EndInAnOrderlyWayAfterTheLastByte) {
  std::string const text = "last";
  auto const a = part(text);
  ASSERT_EQ(left.send({&a, 1}).bytes, text.size());
  pair.first.reset();
  ASSERT_TRUE(becomes_ready(right, POLLIN));
  std::string received;
  EXPECT_EQ(receive_into(right, received, 3), Status::kClosed);
  EXPECT_EQ(received, text);
  EXPECT_EQ(receive_into(right, received), Status::kClosed) << "and stay so";
}

TEST_P(Channels, EndForBothWhenOneIsShutDown) {
  left.shut_down();
  left.shut_down();
  std::string received;
  EXPECT_EQ(receive_into(left, received), Status::kClosed);
  ASSERT_TRUE(becomes_ready(right, POLLIN));
  EXPECT_EQ(receive_into(right, received), Status::kClosed);
  std::string const text = "x";
  auto const a = part(text);
  EXPECT_EQ(left.send({&a, 1}).status, Status::kBroken);
}

TEST_P(Channels, AreBrokenForASenderWhosePeerIsGone) {
  pair.second.reset();
  std::string const text = "x";
  auto const a = part(text);
  ASSERT_TRUE(becomes_ready(left, POLLOUT));
  // TCP learns it from the answer to the first bytes.
  ASSERT_TRUE(test::eventually([&] { return left.send({&a, 1}).status == Status::kBroken; }));
  EXPECT_TRUE(left.failure().starts_with("send: ")) << left.failure();
}

TEST_P(Channels, HaveNoFailureToTellWithoutOne) { EXPECT_EQ(left.failure(), ""); }

}  // namespace
}  // namespace cohort
