// The frame: 24 bytes of header, then a body. core/WIRE.md has the exact bytes.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/ids.h"

namespace cohort {

enum class FrameKind : std::uint8_t {
  kCall = 1,       ///< body: the encoded arguments
  kReply = 2,      ///< body: the encoded result
  kFailure = 3,    ///< body: the encoded RemoteFailure, in answer to a call
  kCancel = 4,     ///< no body: the caller no longer wants the call's reply
  kHeartbeat = 5,  ///< no body
  kShutdown = 6,   ///< no body: end when you can
  kGoodbye = 7,    ///< no body: I end now, in an orderly way
  kDying = 8,      ///< body: the encoded RemoteFailure that ends this process
  kItems = 9,      ///< body: encoded elements of a stream, one after the other
  kEnd = 10,       ///< the writer ends the stream; body: empty, or the encoded RemoteFailure
  kStop = 11,      ///< no body: the reader wants no more of the stream
  kCredit = 12,    ///< body: 8 bytes, how many bytes more the writer may send
  // Of a connection whose calls travel beside it (core/data_plane.h); `call` is a count there.
  kAsleep = 13,  ///< no body: I took so many packets, and look no more until you ring
  kBell = 14,    ///< no body: I have sent so many packets
};
inline constexpr std::uint8_t kLastFrameKind = 14;

namespace frame_flags {
// Of a call.
inline constexpr std::uint8_t kTakesItems = 1;  ///< the caller will send a stream
inline constexpr std::uint8_t kGivesItems = 2;  ///< the caller will read one
inline constexpr std::uint8_t kOneWay = 4;      ///< no answer, please
inline constexpr std::uint8_t kStreams = kTakesItems | kGivesItems;
[[nodiscard]] constexpr std::uint8_t of_streams(bool takes, bool gives) noexcept {
  return static_cast<std::uint8_t>((takes ? kTakesItems : 0) | (gives ? kGivesItems : 0));
}
// Of kShutdown.
inline constexpr std::uint8_t kAfterCalls = 1;  ///< run what came before first
// Of kItems, kEnd, kStop and kCredit.
inline constexpr std::uint8_t kOfSender = 1;  ///< the stream's call was made by the frame's sender
}  // namespace frame_flags

/// As it lies on the wire, in little-endian order (the handshake refuses anything else).
struct FrameHeader {
  FrameKind kind{};
  std::uint8_t flags = 0;      ///< of frame_flags; 0 for the other kinds
  std::uint16_t reserved = 0;  ///< must be 0
  FunctionId function{};
  CallId call{};
  std::uint64_t length = 0;  ///< bytes of the body

  [[nodiscard]] bool is_valid() const noexcept {
    auto const number = static_cast<std::uint8_t>(kind);
    return number >= 1 && number <= kLastFrameKind && (flags & ~allowed_flags()) == 0 &&
           ((flags & frame_flags::kOneWay) == 0 || (flags & frame_flags::kStreams) == 0) &&
           reserved == 0 && has_a_fitting_length();
  }
  /// Only some kinds have a body.
  [[nodiscard]] constexpr bool has_a_fitting_length() const noexcept {
    switch (kind) {
      case FrameKind::kCall:
      case FrameKind::kReply:
      case FrameKind::kFailure:
      case FrameKind::kDying:
      case FrameKind::kItems:
      case FrameKind::kEnd:
        return true;
      case FrameKind::kCredit:
        return length == sizeof(std::uint64_t);
      default:
        return length == 0;
    }
  }

 private:
  [[nodiscard]] constexpr std::uint8_t allowed_flags() const noexcept {
    if (kind == FrameKind::kCall) return frame_flags::kStreams | frame_flags::kOneWay;
    if (kind == FrameKind::kShutdown) return frame_flags::kAfterCalls;
    bool const of_stream = kind >= FrameKind::kItems && kind <= FrameKind::kCredit;
    return of_stream ? frame_flags::kOfSender : std::uint8_t{0};
  }
};
static_assert(sizeof(FrameHeader) == 24 && std::endian::native == std::endian::little);

}  // namespace cohort
