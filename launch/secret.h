// The session secret and what is proved with it. Backed by libsodium.
#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>
#include <span>

namespace cohort {

using Digest = std::array<std::byte, 32>;
using Nonce = std::array<std::byte, 32>;

/// 256 bits that only the processes of one session know. Wiped when destroyed; never logged, never
/// in argv or in the environment.
class Secret {
 public:
  static constexpr std::size_t kSize = 32;

  /// From the operating system's generator.
  [[nodiscard]] static Secret random();
  explicit Secret(std::span<std::byte const, kSize> bytes);
  Secret(Secret const&) = default;
  Secret& operator=(Secret const&) = default;
  ~Secret();

  [[nodiscard]] std::span<std::byte const, kSize> bytes() const noexcept { return bytes_; }
  /// HMAC-SHA256 (RFC 2104, FIPS 180-4) of the parts, one after the other.
  [[nodiscard]] Digest prove(std::initializer_list<std::span<std::byte const>> parts) const;

 private:
  Secret() = default;
  std::array<std::byte, kSize> bytes_{};
};

[[nodiscard]] Nonce random_nonce();
/// BLAKE2b, 256 bits.
[[nodiscard]] Digest hash(std::span<std::byte const> bytes);
/// In constant time.
[[nodiscard]] bool equal(Digest const& a, Digest const& b) noexcept;

}  // namespace cohort
