#include "launch/secret.h"

#include <algorithm>
#include <stdexcept>

#include <sodium.h>

namespace cohort {
namespace {

static_assert(crypto_auth_hmacsha256_BYTES == sizeof(Digest));

void need_sodium() {
  if (sodium_init() < 0) throw std::runtime_error("libsodium cannot start (no random source?)");
}

unsigned char const* raw(std::byte const* bytes) {
  return reinterpret_cast<unsigned char const*>(bytes);
}
unsigned char* raw(std::byte* bytes) { return reinterpret_cast<unsigned char*>(bytes); }

}  // namespace

Secret Secret::random() {
  need_sodium();
  Secret secret;
  randombytes_buf(secret.bytes_.data(), kSize);
  return secret;
}

Secret::Secret(std::span<std::byte const, kSize> bytes) {
  std::copy(bytes.begin(), bytes.end(), bytes_.begin());
}

Secret::~Secret() { sodium_memzero(bytes_.data(), kSize); }

Digest Secret::prove(std::initializer_list<std::span<std::byte const>> parts) const {
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, raw(bytes_.data()), kSize);
  for (auto part : parts) crypto_auth_hmacsha256_update(&state, raw(part.data()), part.size());
  Digest digest;
  crypto_auth_hmacsha256_final(&state, raw(digest.data()));
  sodium_memzero(&state, sizeof state);
  return digest;
}

Nonce random_nonce() {
  need_sodium();
  Nonce nonce;
  randombytes_buf(nonce.data(), nonce.size());
  return nonce;
}

Digest hash(std::span<std::byte const> bytes) {
  need_sodium();
  Digest digest;
  crypto_generichash(raw(digest.data()), digest.size(), raw(bytes.data()), bytes.size(), nullptr,
                     0);
  return digest;
}

bool equal(Digest const& a, Digest const& b) noexcept {
  return sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace cohort
