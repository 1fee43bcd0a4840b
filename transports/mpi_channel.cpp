#include "transports/mpi_channel.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace cohort {
namespace {

constexpr int kFirstTag = 0x6c00;

/// Blocks of at least this size travel from where they lie.
constexpr std::size_t kBulkAtLeast = 32 << 10;

constexpr std::size_t kPacketHead = sizeof(std::uint64_t);

bool is_finalized() noexcept {
  int finalized = 0;
  MPI_Finalized(&finalized);
  return finalized != 0;
}

}  // namespace

MpiChannel::MpiChannel(MPI_Comm communicator, int rank, std::uint32_t life,
                       std::size_t largest_piece)
    : communicator_(communicator),
      rank_(rank),
      packet_tag_(kFirstTag + 2 * static_cast<int>(life)),
      bulk_tag_(packet_tag_ + 1),
      largest_piece_(largest_piece),

      packet_(new Packet) {
  MPI_Recv_init(packet_.get(), static_cast<int>(sizeof(Packet)), MPI_BYTE, rank_, packet_tag_,
                communicator_, &packet_request_);
  start_receiving();
}

MpiChannel::~MpiChannel() {
  if (is_finalized()) return;
  if (give_up(packet_request_)) {
    MPI_Request_free(&packet_request_);
  } else {
    static_cast<void>(packet_.release());
  }
  if (!give_up(bulk_request_)) new std::vector(std::move(spill_));  // left to MPI
  for (auto& slot : slots_) {
    if (!is_done(slot.request)) static_cast<void>(slot.packet.release());
  }
}

bool MpiChannel::still_receives() noexcept { return !is_finalized() && !give_up(bulk_request_); }

bool MpiChannel::still_sends() noexcept {
  std::lock_guard const lock(send_mutex_);
  return !is_finalized() && !bulk_is_sent();
}

bool MpiChannel::is_done(MPI_Request& request) noexcept {
  if (request == MPI_REQUEST_NULL) return true;
  int done = 0;
  if (worked(MPI_Test(&request, &done, MPI_STATUS_IGNORE))) return done != 0;
  return true;
}

bool MpiChannel::give_up(MPI_Request& request) noexcept {
  if (is_done(request)) return true;
  MPI_Cancel(&request);
  return is_done(request);
}

std::string MpiChannel::failure() const {
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(error_.load(), text, &length);
  return "MPI: " + std::string(text, static_cast<std::size_t>(length));
}

bool MpiChannel::worked(int result) noexcept {
  if (result != MPI_SUCCESS) error_.store(result);
  return result == MPI_SUCCESS;
}

// ---- sending -----------------------------------------------------------------------------------

IoResult MpiChannel::send(std::span<iovec const> parts, std::size_t first_block) noexcept {
  std::lock_guard const lock(send_mutex_);
  stalled_.store(false);
  if (closed_.load()) return {IoResult::Status::kClosed, 0};
  if (failed()) return broken();
  if (bulk_size_ > 0) {
    if (!bulk_is_sent()) return would_block();
    return {IoResult::Status::kMoved, std::exchange(bulk_size_, 0)};
  }
  auto* const slot = free_slot();
  if (slot == nullptr) return would_block();
  if (!slot->packet) slot->packet.reset(new Packet);
  auto& packet = *slot->packet;
  std::size_t filled = 0;
  std::size_t i = 0;
  for (; i < parts.size() && filled < kPayload; ++i) {
    if (i == first_block && parts[i].iov_len >= kBulkAtLeast) break;
    auto const count = std::min(parts[i].iov_len, kPayload - filled);
    std::memcpy(packet.payload + filled, parts[i].iov_base, count);
    filled += count;
    if (count < parts[i].iov_len) break;
  }
  bool const bulk = i == first_block && i < parts.size() && parts[i].iov_len >= kBulkAtLeast;
  packet.bulk = bulk ? parts[i].iov_len : 0;
  if (!worked(MPI_Isend(&packet, static_cast<int>(kPacketHead + filled), MPI_BYTE, rank_,
                        packet_tag_, communicator_, &slot->request))) {
    return broken();
  }
  if (bulk && !send_bulk(static_cast<std::byte const*>(parts[i].iov_base), parts[i].iov_len)) {
    return broken();
  }

  auto const sent = sent_.fetch_add(1) + 1;
  on_sent(sent);
  if (filled > 0) {
    if (!is_done(slot->request)) on_unfinished();
    return {IoResult::Status::kMoved, filled};
  }
  return would_block();  // until the block has gone
}

/// They are used in turn, and finish in that order.
MpiChannel::Slot* MpiChannel::free_slot() noexcept {
  auto& slot = slots_[next_slot_ % kSlots];
  if (!is_done(slot.request)) return nullptr;
  ++next_slot_;
  return &slot;
}

bool MpiChannel::send_bulk(std::byte const* data, std::size_t size) noexcept {
  bulk_size_ = size;
  for (std::size_t at = 0; at < size; at += largest_piece_) {
    auto const piece = std::min(largest_piece_, size - at);
    bulk_sends_.push_back(MPI_REQUEST_NULL);
    if (!worked(MPI_Isend(data + at, static_cast<int>(piece), MPI_BYTE, rank_, bulk_tag_,
                          communicator_, &bulk_sends_.back()))) {
      return false;
    }
  }
  return true;
}

bool MpiChannel::bulk_is_sent() noexcept {
  for (; !bulk_sends_.empty() && is_done(bulk_sends_.front()); bulk_sends_.pop_front()) {
    pieces_sent_.fetch_add(1);
  }
  return bulk_sends_.empty();
}

bool MpiChannel::moves_a_block() noexcept {
  std::lock_guard const lock(send_mutex_);
  return bulk_size_ > 0 || bulk_left_ > 0;
}

/// Whoever polls finds out by has_input().
IoResult MpiChannel::broken() noexcept {
  on_unfinished();
  return {IoResult::Status::kBroken, 0};
}

IoResult MpiChannel::would_block() noexcept {
  stalled_.store(true);
  on_unfinished();
  return {};
}

bool MpiChannel::sends() noexcept {
  std::lock_guard const lock(send_mutex_);
  return bulk_size_ > 0 || !std::all_of(slots_.begin(), slots_.end(),
                                        [this](auto& slot) { return is_done(slot.request); });
}

// ---- receiving ---------------------------------------------------------------------------------

void MpiChannel::start_receiving() noexcept {
  if (receiving_ || has_input()) return;
  receiving_ = worked(MPI_Start(&packet_request_));
}

void MpiChannel::on_packet(std::size_t bytes) noexcept {
  receiving_ = false;
  ++taken_;
  bulk_left_ = packet_->bulk;
  ready_ = std::span<std::byte const>(packet_->payload, std::max(bytes, kPacketHead) - kPacketHead);
}

IoResult MpiChannel::receive(std::span<std::byte> into) noexcept {
  if (ready_.empty() && failed()) return {IoResult::Status::kBroken, 0};
  if (ready_.empty()) return bulk_left_ > 0 ? receive_bulk(into) : IoResult{};
  auto const count = std::min(into.size(), ready_.size());
  std::memcpy(into.data(), ready_.data(), count);
  ready_ = ready_.subspan(count);
  if (ready_.empty()) spill_.clear();
  return {IoResult::Status::kMoved, count};
}

/// The reader offers the rest of a large body, which the piece is a part of; it goes right there.
IoResult MpiChannel::receive_bulk(std::span<std::byte> into) noexcept {
  if (bulk_piece_ == 0) {
    bulk_piece_ = static_cast<std::size_t>(std::min<std::uint64_t>(bulk_left_, largest_piece_));
    bool const fits = into.size() >= bulk_piece_;
    if (!fits) spill_.resize(bulk_piece_);  // unlike what our own writers do
    if (!worked(MPI_Irecv(fits ? into.data() : spill_.data(), static_cast<int>(bulk_piece_),
                          MPI_BYTE, rank_, bulk_tag_, communicator_, &bulk_request_))) {
      return {IoResult::Status::kBroken, 0};
    }
  }
  if (!is_done(bulk_request_)) return {};
  if (failed()) return {IoResult::Status::kBroken, 0};
  auto const piece = std::exchange(bulk_piece_, 0);
  bulk_left_ -= piece;
  if (!spill_.empty()) {
    ready_ = spill_;
    return receive(into);
  }
  return {IoResult::Status::kMoved, piece};
}

}  // namespace cohort
