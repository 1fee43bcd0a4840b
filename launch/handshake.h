// How a worker and its master come to trust each other, before anything is deserialized.
// launch/HANDSHAKE.md has the exact bytes. The master's side does no I/O of its own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "launch/secret.h"

namespace cohort {

inline constexpr std::uint32_t kProtocolVersion = 1;

/// What a worker says of itself; believed only once it proved the secret.
struct WorkerClaim {
  std::uint32_t serial = 0;  ///< the number under which its master started it
  std::int32_t pid = 0;
  std::string host;
};

/// The master's side: feed it what arrives, send what it says.
class MasterHandshake {
 public:
  enum class State { kGoesOn, kAccepted, kRefused };

  MasterHandshake(Secret const& secret, std::string_view description);

  /// Takes bytes that arrived; what is left over of them after kAccepted is leftover().
  State feed(std::span<std::byte const> bytes);
  /// Bytes to send now; the caller takes them all.
  [[nodiscard]] std::vector<std::byte> take_output() { return std::exchange(output_, {}); }

  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] WorkerClaim const& claim() const noexcept { return claim_; }
  /// Whether a whole hello has come.
  [[nodiscard]] bool has_said_hello() const noexcept { return step_ != Step::kHello; }
  /// True once the peer proved the secret: its claim is then worth reporting.
  [[nodiscard]] bool authenticated() const noexcept { return authenticated_; }
  /// One line, for kRefused.
  [[nodiscard]] std::string const& reason() const noexcept { return reason_; }
  [[nodiscard]] std::span<std::byte const> leftover() const noexcept { return input_; }

 private:
  enum class Step { kHello, kProof, kListing };

  bool take_hello();
  bool take_proof();
  bool take_listing();
  void refuse(std::string reason);

  Secret const& secret_;
  std::string_view description_;
  Step step_ = Step::kHello;
  State state_ = State::kGoesOn;
  bool authenticated_ = false;
  WorkerClaim claim_;
  Digest their_fingerprint_{};
  std::vector<std::byte> transcript_;  // both hellos, what the proofs are over
  std::vector<std::byte> input_;
  std::vector<std::byte> output_;
  std::string reason_;
};

/// The other side ended the connection during the handshake: it died, or does not want us and does
/// not trust us enough to say so.
struct HangUp : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The master knows us, does not want us, and said why.
struct RefusedByMaster : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The worker's side, blocking. Throws std::runtime_error with one line where the master is not
/// the right one or refuses, HangUp where it hangs up, std::system_error (ETIMEDOUT) where it is
/// too slow.
void handshake_with_master(int socket, Secret const& secret, std::string_view description,
                           WorkerClaim const& claim, Deadline deadline);

}  // namespace cohort
