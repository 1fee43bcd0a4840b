// The hub's invariants, each with the race that it closes:
//  1. Who goes to sleep tells how many packets it has taken; who hears that rings where it has sent
//     more. A sender counts its packet, then looks whether its peer sleeps; on_signal notes that
//     the peer sleeps, then looks at the count. One of the two sees the other.
//  2. A bell carries the count, and its receiver does not sleep before it has taken so many: what
//     MPI delivers later than the socket is waited for.
//  3. asleep_ is set before the hub looks for sends that are not done; a sender leaves one behind,
//     then looks at asleep_. So somebody polls as long as MPI needs that.
#include "transports/mpi_hub.h"

#include <algorithm>
#include <utility>

namespace cohort {
namespace {

using std::chrono::milliseconds;

/// Where there was traffic, more follows soon: to sleep, and to be rung awake, takes both sides
/// much longer than a call.
constexpr std::chrono::microseconds kLinger{200};
/// Traffic that is under way and makes no progress for so long is waited for by the clock: its peer
/// computes, or is stopped.
constexpr milliseconds kPatience{20};
/// The same for the pieces of a block, of which none takes longer.
constexpr milliseconds kPatienceWithABlock{500};
constexpr milliseconds kNap{1};
/// After a peer's death: silence that ends what it had sent, and the most that this may take. The
/// silence is of so many looks too: by the clock alone, who was not scheduled has heard nothing.
constexpr milliseconds kSilence{1};
constexpr int kSilentLooks = 200;
constexpr milliseconds kRestAtMost{500};

}  // namespace

// ---- the hub -----------------------------------------------------------------------------------

void MpiHub::add(std::shared_ptr<MpiLink> link) {
  requests_.push_back(link->channel().packet_request());
  links_.push_back(std::move(link));
  indices_.resize(links_.size());
  statuses_.resize(links_.size());
  asleep_.store(false);
}

void MpiHub::remove(MpiLink& link) {
  auto const found = std::find_if(links_.begin(), links_.end(),
                                  [&](auto const& each) { return each.get() == &link; });
  if (found == links_.end()) return;
  requests_.erase(requests_.begin() + (found - links_.begin()));
  auto const gone = std::move(*found);
  links_.erase(found);
}

bool MpiHub::poll() noexcept {
  asleep_.store(false, std::memory_order_relaxed);
  if (links_.empty()) return false;
  if (std::exchange(some_rest_, false)) {
    for (auto const& link : links_) link->channel().start_receiving();
  }
  int const count = test_requests();
  bool attended = false;
  for (int i = 0; i < count; ++i) {
    auto const index = static_cast<std::size_t>(i);
    auto& channel = links_[static_cast<std::size_t>(indices_[index])]->channel();
    attended = true;
    if (statuses_[index].MPI_ERROR != MPI_SUCCESS) {
      channel.on_failure(statuses_[index].MPI_ERROR);
      continue;
    }
    int bytes = 0;
    MPI_Get_count(&statuses_[index], MPI_BYTE, &bytes);
    channel.on_packet(static_cast<std::size_t>(bytes));
  }
  // By index, and held, since what they attend to may remove links.
  for (std::size_t i = 0; i < links_.size(); ++i) {
    auto& channel = links_[i]->channel();
    some_rest_ |= !channel.is_receiving();
    if (!channel.has_input() && !channel.is_stalled()) continue;
    auto const link = links_[i];
    attended |= link->attend();
  }
  if (attended) {
    busy_since_ = {};
    lively_ = true;
  }
  return attended;
}

/// How many packets have come, or failed; indices_ has their links, and the statuses say which.
/// With one peer by MPI_Test, which looks again after it has let MPI work: MPI_Testsome leaves what
/// that brought to its next call.
int MpiHub::test_requests() noexcept {
  int count = 0;
  if (links_.size() == 1 && links_.front()->channel().is_receiving()) {
    indices_.front() = 0;
    auto const result = MPI_Test(&requests_.front(), &count, &statuses_.front());
    statuses_.front().MPI_ERROR = result;
    return result == MPI_SUCCESS ? count : 1;
  }
  auto const result = MPI_Testsome(static_cast<int>(requests_.size()), requests_.data(), &count,
                                   indices_.data(), statuses_.data());
  count = std::max(count, 0);  // MPI_UNDEFINED is negative
  if (result != MPI_ERR_IN_STATUS) {
    for (int i = 0; i < count; ++i) statuses_[static_cast<std::size_t>(i)].MPI_ERROR = result;
  }
  return count;
}

bool MpiHub::go_to_sleep() noexcept {
  asleep_.store(true);
  if (!may_sleep()) return false;
  for (auto const& link : links_) link->say_asleep();
  return true;
}

bool MpiHub::may_sleep() {
  auto const quiet = [](auto const& link) { return link->is_quiet(); };
  auto const now = Clock::now();
  if (std::exchange(lively_, false)) lingers_until_ = now + kLinger;
  if (now < lingers_until_) return false;

  if (std::all_of(links_.begin(), links_.end(), quiet)) {
    busy_since_ = {};
    return true;
  }
  if (busy_since_ == Clock::time_point()) busy_since_ = now;
  auto const moves_a_block = [](auto const& link) { return link->channel().moves_a_block(); };
  auto const busy_for = now - busy_since_;
  if (busy_for < kPatience) return false;
  if (busy_for < kPatienceWithABlock && std::any_of(links_.begin(), links_.end(), moves_a_block)) {
    return false;
  }
  engine_.timers().schedule(now + kNap, [] {});  // it ends the sleep
  return true;
}

// ---- one link ----------------------------------------------------------------------------------

MpiLink::MpiLink(std::shared_ptr<MpiHub> hub, MPI_Comm communicator, int rank, std::uint32_t life)
    : hub_(std::move(hub)),
      owned_(std::make_unique<MpiChannel>(communicator, rank, life)),
      channel_(owned_.get()) {
  channel_->on_sent = [this](std::uint64_t sent) {
    if (peer_asleep_.load() && peer_asleep_.exchange(false)) ring(sent);
  };
  channel_->on_unfinished = [this] { hub_->mind_unfinished(); };
}

void MpiLink::open(std::shared_ptr<Connection> data, std::shared_ptr<Connection> control) {
  hub_->engine().run_locked([&] {
    data_ = std::move(data);
    control_ = std::move(control);
    hub_->add(shared_from_this());
  });
}

void MpiLink::ring(std::uint64_t sent) { control_->send_control(FrameKind::kBell, {}, sent); }

void MpiLink::on_signal(FrameKind kind, std::uint64_t count) {
  if (kind != FrameKind::kAsleep) {
    said_asleep_ = false;
    expected_ = std::max(expected_, count);
    return;
  }
  peer_asleep_.store(true);
  auto const sent = channel_->sent();
  if (sent > count && peer_asleep_.exchange(false)) ring(sent);
}

bool MpiLink::attend() noexcept {
  auto const data = data_;
  auto const pieces = channel_->pieces_sent();
  if (channel_->is_stalled()) data->on_writable();
  bool attended = channel_->pieces_sent() != pieces;
  while (channel_->has_input() && data->on_readable()) attended = true;
  return attended;
}

bool MpiLink::is_quiet() noexcept {
  return !channel_->has_input() && channel_->taken() >= expected_ && !channel_->sends();
}

void MpiLink::say_asleep() {
  if (!std::exchange(said_asleep_, true)) {
    control_->send_control(FrameKind::kAsleep, {}, channel_->taken());
  }
}

void MpiLink::take_the_rest() {
  channel_->shut_down();  // nothing is sent to a dead peer
  auto const end = Deadline::after(kRestAtMost);
  auto silence = Deadline::after(kSilence);
  for (int looks = 0; (looks < kSilentLooks || !silence.passed()) && !end.passed(); ++looks) {
    auto const before = channel_->taken();
    hub_->poll();
    if (channel_->taken() == before) continue;
    silence = Deadline::after(kSilence);
    looks = 0;
  }
}

void MpiLink::close() {
  channel_->shut_down();
  hub_->remove(*this);
}

}  // namespace cohort
