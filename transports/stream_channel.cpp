#include "transports/stream_channel.h"

#include <cerrno>
#include <cstring>

#include <sys/socket.h>

namespace cohort {

StreamChannel::StreamChannel(UniqueFd socket) : socket_(std::move(socket)) {
  set_nonblocking(socket_.get(), true);
  tune_stream_socket(socket_.get());
}

IoResult StreamChannel::send(std::span<iovec const> parts, std::size_t) noexcept {
  if (parts.size() == 1) {
    return result_of(::send(descriptor(), parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL),
                     "send");
  }
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());
  message.msg_iovlen = parts.size();
  return result_of(::sendmsg(descriptor(), &message, MSG_NOSIGNAL), "sendmsg");
}

IoResult StreamChannel::receive(std::span<std::byte> into) noexcept {
  auto const count = ::recv(descriptor(), into.data(), into.size(), 0);
  if (count == 0) return {IoResult::Status::kClosed, 0};
  return result_of(count, "recv");
}

IoResult StreamChannel::result_of(ssize_t count, char const* call) noexcept {
  using Status = IoResult::Status;
  if (count >= 0) return {Status::kMoved, static_cast<std::size_t>(count)};
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {Status::kWouldBlock, 0};
  failed_errno_.store(errno);
  failed_call_.store(call);
  return {Status::kBroken, 0};
}

void StreamChannel::shut_down() noexcept { ::shutdown(descriptor(), SHUT_RDWR); }

std::string StreamChannel::failure() const {
  char const* call = failed_call_.load();
  if (call == nullptr) return {};
  return std::string(call) + ": " + std::strerror(failed_errno_.load());
}

}  // namespace cohort
