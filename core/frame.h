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
};
inline constexpr std::uint8_t kLastFrameKind = 8;

/// As it lies on the wire, in little-endian order (the handshake refuses anything else).
struct FrameHeader {
  FrameKind kind{};
  std::uint8_t flags = 0;      ///< none defined: must be 0
  std::uint16_t reserved = 0;  ///< must be 0
  FunctionId function{};
  CallId call{};
  std::uint64_t length = 0;  ///< bytes of the body

  [[nodiscard]] bool is_valid() const noexcept {
    auto const number = static_cast<std::uint8_t>(kind);
    return number >= 1 && number <= kLastFrameKind && flags == 0 && reserved == 0;
  }
};
static_assert(sizeof(FrameHeader) == 24 && std::endian::native == std::endian::little);

}  // namespace cohort
