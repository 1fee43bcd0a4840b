#include "transports/inproc_channel.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>
#include <vector>

#include <sys/socket.h>

#include "core/error.h"
#include "transports/socket.h"

namespace cohort {

/// A descriptor whose readability and writability are what we say. An eventfd cannot be neither, so
/// it is one end of a socketpair that carries no data: a byte in it makes it readable, and
/// stuffing it until it takes no more makes it not writable.
/// Each of the two is set by one Link, under that Link's mutex.
class InprocChannel::Doorbell {
 public:
  Doorbell() {
    auto [outer, inner] = make_socket_pair();
    outer_ = std::move(outer);
    inner_ = std::move(inner);
    int const least = 1;  // the kernel makes it its minimum, so that there is little to stuff
    check(::setsockopt(outer_.get(), SOL_SOCKET, SO_SNDBUF, &least, sizeof least),
          "setsockopt(SO_SNDBUF)");
  }

  [[nodiscard]] int descriptor() const noexcept { return outer_.get(); }

  void set_readable(bool readable) noexcept {
    if (readable == readable_) return;
    readable_ = readable;
    std::byte byte{};
    if (readable) {
      ::send(inner_.get(), &byte, 1, MSG_DONTWAIT);
    } else {
      ::recv(outer_.get(), &byte, 1, MSG_DONTWAIT);
    }
  }

  void set_writable(bool writable) noexcept {
    if (writable == writable_) return;
    writable_ = writable;
    std::array<std::byte, 4096> bytes{};
    if (writable) {
      while (::recv(inner_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) {
      }
    } else {
      while (::send(outer_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) {
      }
    }
  }

 private:
  UniqueFd outer_;
  UniqueFd inner_;
  bool readable_ = false;
  bool writable_ = true;
};

/// One direction: a ring of bytes, of which the first `visible_` may be received.
class InprocChannel::Link : public std::enable_shared_from_this<Link> {
 public:
  Link(FaultPlan plan, std::shared_ptr<Doorbell> sender, std::shared_ptr<Doorbell> receiver)
      : plan_(std::move(plan)),
        sender_(std::move(sender)),
        receiver_(std::move(receiver)),
        ring_(plan_.capacity) {
    if (plan_.cut_at == 0) end();
  }

  IoResult send(std::span<iovec const> parts) noexcept {
    std::lock_guard const lock(mutex_);
    if (ending_ || receiver_gone_) {
      send_failed_ = true;
      return {IoResult::Status::kBroken, 0};
    }
    auto const taken = take(parts);
    if (sent_ == plan_.cut_at) end();
    ring_doorbells();
    return {taken > 0 ? IoResult::Status::kMoved : IoResult::Status::kWouldBlock, taken};
  }

  IoResult receive(std::span<std::byte> into) noexcept {
    std::lock_guard const lock(mutex_);
    if (visible_ == 0) {
      if (receiver_gone_) return {IoResult::Status::kClosed, 0};
      if (!end_is_visible_) return {IoResult::Status::kWouldBlock, 0};
      return {is_cut() ? IoResult::Status::kBroken : IoResult::Status::kClosed, 0};
    }
    auto const count = std::min({into.size(), visible_, plan_.most_per_receive});
    auto const until_wrap = std::min(count, ring_.size() - first_);
    std::memcpy(into.data(), ring_.data() + first_, until_wrap);
    std::memcpy(into.data() + until_wrap, ring_.data(), count - until_wrap);
    first_ = (first_ + count) % ring_.size();
    filled_ -= count;
    visible_ -= count;
    ring_doorbells();
    return {IoResult::Status::kMoved, count};
  }

  void end_by_sender() noexcept {
    std::lock_guard const lock(mutex_);
    end();
  }

  void end_by_receiver() noexcept {
    std::lock_guard const lock(mutex_);
    receiver_gone_ = true;
    filled_ = visible_ = 0;
    ring_doorbells();
  }

  [[nodiscard]] bool send_failed() const noexcept {
    std::lock_guard const lock(mutex_);
    return send_failed_;
  }
  /// Why receive() was kBroken.
  [[nodiscard]] std::string cut_text() const {
    std::lock_guard const lock(mutex_);
    return is_cut() && end_is_visible_ ? plan_.cut_text : std::string();
  }

 private:
  // All with mutex_ held.

  [[nodiscard]] bool is_cut() const noexcept {
    return sent_ == plan_.cut_at && !plan_.cut_text.empty();
  }

  std::size_t take(std::span<iovec const> parts) noexcept {
    auto budget = std::min<std::uint64_t>(
        {plan_.most_per_send, ring_.size() - filled_, plan_.cut_at - sent_});
    std::size_t taken = 0;
    auto const filled_before = filled_;
    for (auto const& part : parts) {
      auto const count = static_cast<std::size_t>(std::min<std::uint64_t>(budget, part.iov_len));
      put({static_cast<std::byte const*>(part.iov_base), count});
      taken += count;
      budget -= count;
    }
    if (filled_ > filled_before) {
      later([count = filled_ - filled_before](Link& link) { link.visible_ += count; });
    }
    return taken;
  }

  void put(std::span<std::byte const> bytes) noexcept {
    auto const kept = plan_.drop_from <= sent_
                          ? 0
                          : std::min<std::uint64_t>(bytes.size(), plan_.drop_from - sent_);
    auto const flip = plan_.flip_at - sent_;  // past the end where it is not in here
    for (std::size_t i = 0; i < kept;) {
      auto const at = (first_ + filled_) % ring_.size();
      auto const run = std::min(static_cast<std::size_t>(kept) - i, ring_.size() - at);
      std::memcpy(ring_.data() + at, bytes.data() + i, run);
      if (flip >= i && flip < i + run) ring_[at + flip - i] ^= std::byte{0xff};
      filled_ += run;
      i += run;
    }
    sent_ += bytes.size();
  }

  void end() noexcept {
    if (std::exchange(ending_, true)) return;
    later([](Link& link) { link.end_is_visible_ = true; });
    ring_doorbells();
  }

  /// Makes something visible to the receiver, after the delay. Timers of one delay keep their
  /// order.
  template <class Change>
  void later(Change change) noexcept {
    if (plan_.delay == Clock::duration::zero()) return change(*this);
    plan_.timers->schedule(Clock::now() + plan_.delay, [link = shared_from_this(), change] {
      std::lock_guard const lock(link->mutex_);
      if (link->receiver_gone_) return;
      change(*link);
      link->ring_doorbells();
    });
  }

  void ring_doorbells() noexcept {
    receiver_->set_readable(visible_ > 0 || end_is_visible_ || receiver_gone_);
    sender_->set_writable(filled_ < ring_.size() || ending_ || receiver_gone_);
  }

  FaultPlan const plan_;
  std::shared_ptr<Doorbell> const sender_;
  std::shared_ptr<Doorbell> const receiver_;

  mutable std::mutex mutex_;
  std::vector<std::byte> ring_;
  std::size_t first_ = 0;
  std::size_t filled_ = 0;
  std::size_t visible_ = 0;
  std::uint64_t sent_ = 0;  // the offset of the next byte
  bool ending_ = false;     // the sender has ended it, or the plan
  bool end_is_visible_ = false;
  bool receiver_gone_ = false;
  bool send_failed_ = false;
};

IoResult InprocChannel::send(std::span<iovec const> parts, std::size_t) noexcept {
  return out_->send(parts);
}

IoResult InprocChannel::receive(std::span<std::byte> into) noexcept { return in_->receive(into); }

void InprocChannel::shut_down() noexcept {
  out_->end_by_sender();
  in_->end_by_receiver();
}

int InprocChannel::descriptor() const noexcept { return bell_->descriptor(); }

std::string InprocChannel::failure() const {
  auto text = in_->cut_text();
  if (text.empty() && out_->send_failed()) text = "send: the other end is gone";
  return text;
}

std::pair<std::unique_ptr<InprocChannel>, std::unique_ptr<InprocChannel>> make_inproc_pair(
    FaultPlan to_right, FaultPlan to_left) {
  auto const left = std::make_shared<InprocChannel::Doorbell>();
  auto const right = std::make_shared<InprocChannel::Doorbell>();
  auto const rightwards = std::make_shared<InprocChannel::Link>(std::move(to_right), left, right);
  auto const leftwards = std::make_shared<InprocChannel::Link>(std::move(to_left), right, left);
  return {std::make_unique<InprocChannel>(left, rightwards, leftwards),
          std::make_unique<InprocChannel>(right, leftwards, rightwards)};
}

}  // namespace cohort
