#include "launch/handshake.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>

#include "launch/app_types.h"
#include "transports/socket.h"

namespace cohort {
namespace {

constexpr std::array<char, 8> kMagic{'C', 'O', 'H', 'O', 'R', 'T', '\r', '\n'};
constexpr std::uint32_t kByteOrder = 0x0102'0304;
constexpr std::uint32_t kListingAtMost = 1 << 20;

struct WorkerHello {
  std::array<char, 8> magic = kMagic;
  std::uint32_t byte_order = kByteOrder;
  std::uint32_t version = kProtocolVersion;
  Nonce nonce{};
  std::uint32_t serial = 0;
  std::int32_t pid = 0;
  std::array<char, 64> host{};  // cut to size, ends with a zero byte
  Digest fingerprint{};
};
struct MasterHello {
  std::array<char, 8> magic = kMagic;
  std::uint32_t byte_order = kByteOrder;
  std::uint32_t version = kProtocolVersion;
  Nonce nonce{};
};
enum class Verdict : std::uint32_t { kWelcome = 0, kSendListing = 1, kRefused = 2 };
struct VerdictHeader {
  Verdict verdict{};
  std::uint32_t text_length = 0;
};
static_assert(sizeof(WorkerHello) == 152 && sizeof(MasterHello) == 48);

constexpr std::string_view kMasterLabel = "cohort 1 master";
constexpr std::string_view kWorkerLabel = "cohort 1 worker";

template <class T>
std::span<std::byte const> bytes_of(T const& value) {
  return std::as_bytes(std::span(&value, 1));
}
std::span<std::byte const> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
void append(std::vector<std::byte>& to, std::span<std::byte const> bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

/// Empty where magic, byte order and version fit; else what is wrong.
template <class Hello>
std::string objection(Hello const& hello) {
  if (hello.magic != kMagic) return "the peer does not speak cohort's protocol";
  if (hello.byte_order != kByteOrder) return "the peer has the other byte order";
  if (hello.version != kProtocolVersion) {
    return "the peer speaks version " + std::to_string(hello.version) +
           " of cohort's protocol, this program version " + std::to_string(kProtocolVersion);
  }
  return {};
}

}  // namespace

MasterHandshake::MasterHandshake(Secret const& secret, std::string_view description)
    : secret_(secret), description_(description) {}

MasterHandshake::State MasterHandshake::feed(std::span<std::byte const> bytes) {
  append(input_, bytes);
  bool progress = true;
  while (progress && state_ == State::kGoesOn) {
    switch (step_) {
      case Step::kHello:
        progress = take_hello();
        break;
      case Step::kProof:
        progress = take_proof();
        break;
      case Step::kListing:
        progress = take_listing();
        break;
    }
  }
  return state_;
}

bool MasterHandshake::take_hello() {
  // Whoever is not of cohort is refused by its first bytes; it need not send a whole hello.
  if (input_.empty()) return false;
  auto const seen = std::min(input_.size(), kMagic.size());
  if (std::memcmp(input_.data(), kMagic.data(), seen) != 0) {
    refuse("the peer does not speak cohort's protocol");
    return false;
  }
  WorkerHello hello;
  if (input_.size() < sizeof hello) return false;
  std::memcpy(&hello, input_.data(), sizeof hello);
  input_.erase(input_.begin(), input_.begin() + sizeof hello);
  if (auto text = objection(hello); !text.empty()) {
    refuse(std::move(text));
    return false;
  }
  std::string_view const host(hello.host.data(), hello.host.size());
  claim_ = {hello.serial, hello.pid, std::string(host.substr(0, host.find('\0')))};
  their_fingerprint_ = hello.fingerprint;

  MasterHello const answer{.nonce = random_nonce()};
  append(transcript_, bytes_of(hello));
  append(transcript_, bytes_of(answer));
  append(output_, bytes_of(answer));
  append(output_, secret_.prove({bytes_of(kMasterLabel), transcript_}));
  step_ = Step::kProof;
  return true;
}

bool MasterHandshake::take_proof() {
  Digest proof;
  if (input_.size() < proof.size()) return false;
  std::memcpy(proof.data(), input_.data(), proof.size());
  input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(proof.size()));
  if (!equal(proof, secret_.prove({bytes_of(kWorkerLabel), transcript_}))) {
    refuse("the peer does not know the session's secret");
    return false;
  }
  authenticated_ = true;
  if (equal(their_fingerprint_, fingerprint(description_))) {
    append(output_, bytes_of(VerdictHeader{Verdict::kWelcome, 0}));
    state_ = State::kAccepted;
    return false;
  }
  append(output_, bytes_of(VerdictHeader{Verdict::kSendListing, 0}));
  step_ = Step::kListing;
  return true;
}

bool MasterHandshake::take_listing() {
  std::uint32_t length = 0;
  if (input_.size() < sizeof length) return false;
  std::memcpy(&length, input_.data(), sizeof length);
  if (length > kListingAtMost) {
    refuse("the worker's list of functions is longer than 1 MiB");
    return false;
  }
  if (input_.size() < sizeof length + length) return false;
  std::string_view const listing(reinterpret_cast<char const*>(input_.data()) + sizeof length,
                                 length);
  refuse("the worker runs a different executable: " + first_difference(description_, listing));
  return false;
}

void MasterHandshake::refuse(std::string reason) {
  reason_ = std::move(reason);
  state_ = State::kRefused;
  // Only one who proved the secret is told why.
  if (!authenticated_) return;
  VerdictHeader const header{Verdict::kRefused, static_cast<std::uint32_t>(reason_.size())};
  append(output_, bytes_of(header));
  append(output_, bytes_of(std::string_view(reason_)));
}

void handshake_with_master(int socket, Secret const& secret, std::string_view description,
                           WorkerClaim const& claim, Deadline deadline) {
  auto const send = [&](std::span<std::byte const> bytes) {
    if (!send_exactly(socket, bytes.data(), bytes.size(), deadline)) {
      throw HangUp("the master closed the connection during the handshake");
    }
  };
  auto const receive = [&](void* data, std::size_t size) {
    if (!receive_exactly(socket, data, size, deadline)) {
      throw HangUp("the master closed the connection during the handshake");
    }
  };
  WorkerHello hello{.nonce = random_nonce(),
                    .serial = claim.serial,
                    .pid = claim.pid,
                    .fingerprint = fingerprint(description)};
  claim.host.copy(hello.host.data(), hello.host.size() - 1);
  send(bytes_of(hello));

  MasterHello answer;
  Digest proof;
  receive(&answer, sizeof answer);
  if (auto text = objection(answer); !text.empty()) throw std::runtime_error(text);
  receive(proof.data(), proof.size());
  std::vector<std::byte> transcript;
  append(transcript, bytes_of(hello));
  append(transcript, bytes_of(answer));
  if (!equal(proof, secret.prove({bytes_of(kMasterLabel), transcript}))) {
    throw std::runtime_error("whoever listens there does not know the session's secret");
  }
  send(secret.prove({bytes_of(kWorkerLabel), transcript}));

  VerdictHeader verdict;
  receive(&verdict, sizeof verdict);
  if (verdict.verdict == Verdict::kSendListing) {
    auto const length = static_cast<std::uint32_t>(description.size());
    send(bytes_of(length));
    send(bytes_of(description));
    receive(&verdict, sizeof verdict);
  }
  if (verdict.verdict == Verdict::kWelcome) return;
  std::string text(std::min(verdict.text_length, kListingAtMost), '\0');
  receive(text.data(), text.size());
  throw RefusedByMaster("refused by the master: " + text);
}

}  // namespace cohort
