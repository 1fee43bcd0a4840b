#include "tests/support/peers.h"

#include <cstring>

#include <poll.h>

#include "transports/socket.h"
#include "transports/stream_channel.h"

namespace cohort::test {

void PrintTo(Transport transport, std::ostream* out) {
  constexpr std::array kNames{"inproc", "unix", "tcp"};
  *out << kNames[static_cast<std::size_t>(transport)];
}

ChannelPair make_channels(Transport transport) {
  std::pair<UniqueFd, UniqueFd> sockets;
  switch (transport) {
    case Transport::kInproc:
      return make_inproc_pair();
    case Transport::kUnix:
      sockets = make_socket_pair();
      break;
    case Transport::kTcp:
      auto const deadline = Deadline::after(kBound);
      auto [listener, endpoint] = listen_tcp({"127.0.0.1", 0}, 1);
      sockets.first = connect_to(endpoint, deadline);
      pollfd waiting{listener.get(), POLLIN, 0};
      check(::poll(&waiting, 1, deadline.poll_timeout()), "poll");
      sockets.second = accept_connection(listener.get()).value();
  }
  return {std::make_unique<StreamChannel>(std::move(sockets.first)),
          std::make_unique<StreamChannel>(std::move(sockets.second))};
}

Settings test_settings() {
  Settings settings;
  settings.max_message_size = 64 << 20;
  settings.heartbeat_interval = std::chrono::hours(1);
  settings.heartbeat_timeout = std::chrono::hours(6);
  return settings;
}

void CallerSide::on_dying(RemoteFailure failure) {
  last_words = std::move(failure);
  dying.set();
}

void CallerSide::on_end(End how, std::string text) {
  end = how;
  end_text = text;
  connection->fail_pending(
      {how == End::kProtocol ? ErrorKind::kProtocol : ErrorKind::kDisconnected, text});
  ended.set();
}

void WorkerSide::on_end(End how, std::string text) {
  end = how;
  end_text = std::move(text);
  dispatcher.stop();
  ended.set();
}

bool RawPeer::wait(short events) {
  pollfd wanted{channel_->descriptor(), events, 0};
  return ::poll(&wanted, 1, Deadline::after(kBound).poll_timeout()) == 1;
}

bool RawPeer::send(std::span<std::byte const> bytes) {
  while (!bytes.empty()) {
    iovec const part{const_cast<std::byte*>(bytes.data()), bytes.size()};
    auto const result = channel_->send({&part, 1});
    if (result.status == IoResult::Status::kMoved) {
      bytes = bytes.subspan(result.bytes);
    } else if (result.status != IoResult::Status::kWouldBlock || !wait(POLLOUT)) {
      return false;
    }
  }
  return true;
}

std::vector<std::byte> RawPeer::receive(std::size_t count) {
  std::vector<std::byte> bytes(count);
  std::size_t filled = 0;
  while (filled < count) {
    auto const result = channel_->receive(std::span(bytes).subspan(filled));
    if (result.status == IoResult::Status::kMoved) {
      filled += result.bytes;
    } else if (result.status != IoResult::Status::kWouldBlock || !wait(POLLIN)) {
      break;
    }
  }
  bytes.resize(filled);
  return bytes;
}

std::vector<std::byte> frame_bytes(FrameHeader header, std::span<std::byte const> body) {
  header.length = body.size();
  std::vector<std::byte> bytes(sizeof header + body.size());
  std::memcpy(bytes.data(), &header, sizeof header);
  if (!body.empty()) std::memcpy(bytes.data() + sizeof header, body.data(), body.size());
  return bytes;
}

}  // namespace cohort::test
