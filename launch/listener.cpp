#include "launch/listener.h"

#include <utility>

#include "launch/log.h"

namespace cohort {
namespace {

/// More peers than this that have not proved the secret are turned away.
constexpr std::size_t kHandshakesAtMost = 2048;
/// So that a flood of strangers does not become one of lines.
constexpr int kLinesASecond = 2000;

}  // namespace

Listener::Listener(Runtime& runtime, std::chrono::milliseconds handshake_timeout,
                   std::pair<UniqueFd, Endpoint> socket, Route route)
    : runtime_(runtime),
      handshake_timeout_(handshake_timeout),
      socket_(std::move(socket.first)),
      endpoint_(std::move(socket.second)),
      route_(std::move(route)) {}

void Listener::open() { runtime_.engine.attach(shared_from_this()); }

void Listener::close() {
  runtime_.engine.run_locked([this] {
    if (std::exchange(closed_, true)) return;
    for (auto const& handshake : handshakes_) handshake->abandon();
    handshakes_.clear();
    runtime_.engine.detach(*this);
    socket_.reset();
  });
}

bool Listener::on_readable() noexcept {
  try {
    while (!closed_) {
      auto socket = accept_connection(socket_.get());
      if (!socket) break;
      greet(std::move(*socket));
    }
  } catch (std::exception const& error) {
    complain(std::string("cannot take a connection: ") + error.what());
    look_away();
  }
  return true;
}

/// No descriptor or memory is left, and the connection that waits keeps the socket readable.
void Listener::look_away() {
  constexpr std::chrono::milliseconds kPause{100};
  runtime_.engine.detach(*this);
  runtime_.engine.timers().schedule(Clock::now() + kPause, [weak = weak_from_this()] {
    auto const self = std::static_pointer_cast<Listener>(weak.lock());
    if (self && !self->closed_) self->runtime_.engine.attach(self);
  });
}

void Listener::greet(UniqueFd socket) {
  if (handshakes_.size() >= kHandshakesAtMost) {
    return complain("a connection was turned away: " + std::to_string(handshakes_.size()) +
                    " others have not proved who they are yet");
  }
  auto holder = std::make_shared<std::weak_ptr<HandshakeSource>>();
  auto handshake = std::make_shared<HandshakeSource>(
      runtime_, std::move(socket), [this, holder](HandshakeSource::Outcome outcome) {
        std::erase(handshakes_, holder->lock());
        finish(outcome);
      });
  *holder = handshake;
  handshakes_.push_back(handshake);
  handshake->start(handshake_timeout_);
}

void Listener::finish(HandshakeSource::Outcome& outcome) {
  if (route_(outcome)) return;
  complain("refused a connection to " + endpoint_.to_string() + ": " +
           (outcome.refusal.empty() ? "it claims to be a worker that is not expected"
                                    : outcome.refusal));
}

/// Under the I/O lock, which a slow terminal must not hold up.
void Listener::complain(std::string line) {
  auto const now = Clock::now();
  if (now - second_ >= std::chrono::seconds(1)) {
    second_ = now;
    lines_in_second_ = 0;
  }
  if (++lines_in_second_ > kLinesASecond) {
    ++left_out_;
    return;
  }
  if (auto const left_out = std::exchange(left_out_, 0); left_out != 0) {
    line += " (" + std::to_string(left_out) + " more such lines were left out)";
  }
  runtime_.log_lines.post(LogLevel::kWarning, std::move(line));
}

}  // namespace cohort
