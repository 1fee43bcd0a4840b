#include "launch/handshake_source.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <sys/socket.h>

namespace cohort {

HandshakeSource::HandshakeSource(Runtime& runtime, UniqueFd socket,
                                 std::function<void(Outcome)> done)
    : runtime_(runtime),
      socket_(std::move(socket)),
      handshake_(runtime.secret, runtime.description),
      done_(std::move(done)) {
  set_nonblocking(socket_.get(), true);
}

void HandshakeSource::start(std::optional<std::chrono::milliseconds> timeout) {
  if (timeout) finish_after(*timeout);
  runtime_.engine.attach(shared_from_this());
}

void HandshakeSource::finish_after(std::chrono::milliseconds timeout) {
  auto const self = std::weak_ptr<Source>(weak_from_this());
  timer_ = runtime_.engine.timers().schedule(Clock::now() + timeout, [self, timeout] {
    if (auto const source = self.lock()) {
      static_cast<HandshakeSource&>(*source).finish("no complete handshake within " +
                                                    std::to_string(timeout.count()) +
                                                    " ms (handshake_timeout)");
    }
  });
}

void HandshakeSource::abandon() {
  if (std::exchange(ended_, true)) return;
  runtime_.engine.timers().cancel(timer_);
  runtime_.engine.detach(*this);
}

bool HandshakeSource::on_readable() noexcept {
  if (ended_) return false;
  std::array<std::byte, 4096> buffer;
  auto const count = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  try {
    if (count <= 0) {
      finish(count == 0 ? "the peer hung up during the handshake"
                        : std::string("recv: ") + std::strerror(errno));
      return true;
    }
    auto const state = handshake_.feed(std::span(buffer.data(), static_cast<std::size_t>(count)));
    bool const sent = send_output();
    if (state == MasterHandshake::State::kRefused) {
      finish(handshake_.reason());
    } else if (!sent) {
      finish("the peer does not read the handshake");
    } else if (state == MasterHandshake::State::kAccepted) {
      finish({});
    }
  } catch (std::exception const& error) {
    finish(error.what());
  }
  return true;
}

/// A few hundred bytes into an empty socket buffer: what does not fit is a broken peer.
bool HandshakeSource::send_output() {
  auto const output = handshake_.take_output();
  if (output.empty()) return true;
  auto const sent =
      ::send(socket_.get(), output.data(), output.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  return sent == static_cast<ssize_t>(output.size());
}

void HandshakeSource::finish(std::string refusal) {
  if (ended_) return;
  abandon();
  Outcome outcome{.refusal = std::move(refusal),
                  .authenticated = handshake_.authenticated(),
                  .claim = handshake_.claim(),
                  .socket = std::move(socket_),
                  .leftover = {}};
  auto const leftover = handshake_.leftover();
  if (outcome.refusal.empty()) outcome.leftover.assign(leftover.begin(), leftover.end());
  done_(std::move(outcome));
}

}  // namespace cohort
