// A Channel over a connected stream socket, Unix-domain or TCP.
#pragma once

#include <atomic>
#include <string>

#include "core/channel.h"
#include "transports/socket.h"

namespace cohort {

class StreamChannel : public Channel {
 public:
  /// Takes the socket over; it becomes non-blocking.
  explicit StreamChannel(UniqueFd socket);

  using Channel::send;
  IoResult send(std::span<iovec const> parts, std::size_t first_block) noexcept override;
  IoResult receive(std::span<std::byte> into) noexcept override;
  void shut_down() noexcept override;
  [[nodiscard]] int descriptor() const noexcept override { return socket_.get(); }
  [[nodiscard]] std::string failure() const override;

 private:
  IoResult result_of(ssize_t count, char const* call) noexcept;

  UniqueFd socket_;
  std::atomic<char const*> failed_call_{nullptr};
  std::atomic<int> failed_errno_{0};
};

}  // namespace cohort
