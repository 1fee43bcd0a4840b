#include "launch/listener.h"

#include <utility>

#include <unistd.h>

namespace cohort {
namespace {

/// Then others have their turn, however many come.
constexpr int kConnectionsAtOnce = 64;
/// No descriptor or memory is left.
constexpr std::chrono::milliseconds kPause{100};
/// No place is left, and nobody has had the time to prove who he is.
constexpr std::chrono::milliseconds kMoment{10};

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
    for (auto const& [number, waiting] : handshakes_) {
      waiting.second->abandon();
      runtime_.strangers.leave(waiting.first);
    }
    handshakes_.clear();
    runtime_.engine.detach(*this);
    socket_.reset();
  });
}

bool Listener::on_readable() noexcept {
  try {
    for (int i = 0; i < kConnectionsAtOnce && !closed_; ++i) {
      auto socket = accept_connection(socket_.get());
      if (!socket) break;
      if (!greet(std::move(*socket))) {
        look_away(kMoment);
        break;
      }
    }
  } catch (std::exception const& error) {
    runtime_.complaints.post(
        [text = std::string(error.what())] { return "cannot take a connection: " + text; });
    if (!runtime_.strangers.turn_out_one()) look_away(kPause);
  }
  return true;
}

/// The connection that waits keeps the socket readable.
void Listener::look_away(std::chrono::milliseconds pause) {
  if (closed_) return;
  runtime_.engine.detach(*this);
  runtime_.engine.timers().schedule(Clock::now() + pause, [weak = weak_from_this()] {
    auto const self = std::static_pointer_cast<Listener>(weak.lock());
    if (self && !self->closed_) self->runtime_.engine.attach(self);
  });
}

/// False where the next one is to wait.
bool Listener::greet(UniqueFd socket) {
  auto peer = identify_peer(socket.get());
  if (peer.is_unix() && peer.uid != ::geteuid()) {
    complain(std::move(peer), "it is another user's");
    return true;
  }
  auto ticket = runtime_.strangers.next_ticket(peer);
  auto handshake = std::make_shared<HandshakeSource>(
      runtime_, std::move(socket), [this, ticket, peer](HandshakeSource::Outcome outcome) {
        runtime_.strangers.leave(ticket);
        handshakes_.erase(ticket.number);
        finish(outcome, peer);
      });
  handshakes_.emplace(ticket.number, std::pair(ticket, handshake));
  handshake->start(handshake_timeout_);
  return runtime_.strangers.admit(ticket, std::move(handshake));
}

void Listener::finish(HandshakeSource::Outcome& outcome, SocketPeer peer) {
  if (route_(outcome)) return;
  complain(std::move(peer), outcome.refusal.empty()
                                ? "it claims to be a worker that is not expected"
                                : outcome.refusal);
}

void Listener::complain(SocketPeer peer, std::string reason) {
  runtime_.complaints.post([to = endpoint_.to_string(), peer = std::move(peer),
                            reason = std::move(reason)] {
    auto const who = describe(peer);
    return "refused a connection to " + to + (who.empty() ? "" : " from " + who) + ": " + reason;
  });
}

}  // namespace cohort
