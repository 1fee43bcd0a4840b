// The master's side of the handshake, fed byte by byte by an implementation of the worker's side
// that is independent of the library's: it states the exact bytes once more.
#include "launch/handshake.h"

#include <array>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "launch/app_types.h"
#include "tests/launch/support.h"
#include "transports/socket.h"

namespace launch_test {
namespace {

using cohort::MasterHandshake;
using cohort::Secret;
using Bytes = std::vector<std::byte>;
using State = MasterHandshake::State;

constexpr std::size_t kHelloSize = 152;
constexpr std::size_t kMasterHelloSize = 48;
constexpr std::size_t kProofSize = 32;
std::string const kListing = "worker type 0: W, init void\nfunction 0 of W: int W::f()\nbuild 1\n";

template <class T>
void put(Bytes& to, T const& value) {
  auto const bytes = std::as_bytes(std::span(&value, 1));
  to.insert(to.end(), bytes.begin(), bytes.end());
}
void put(Bytes& to, std::string const& text, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    to.push_back(static_cast<std::byte>(i < text.size() ? text[i] : '\0'));
  }
}
std::span<std::byte const> bytes_of(std::string const& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

/// A hello of 152 bytes: magic 8, byte order 4, version 4, nonce 32, serial 4, pid 4, host 64,
/// fingerprint 32.
struct Hello {
  std::string magic = "COHORT\r\n";
  std::uint32_t byte_order = 0x01020304;
  std::uint32_t version = cohort::kProtocolVersion;
  std::string listing = kListing;
  [[nodiscard]] Bytes bytes() const {
    Bytes all;
    put(all, magic, 8);
    put(all, byte_order);
    put(all, version);
    put(all, cohort::random_nonce());
    put(all, std::uint32_t{5});
    put(all, std::int32_t{4711});
    put(all, "node17", 64);
    put(all, cohort::fingerprint(listing));
    return all;
  }
};

/// HMAC over label, hello, and the master's hello.
Bytes proof_of(Secret const& secret, std::span<std::byte const> hello,
               std::span<std::byte const> master_hello, std::string const& label) {
  auto const digest = secret.prove({bytes_of(label), hello, master_hello});
  return {digest.begin(), digest.end()};
}

/// What a worker that has `hello` does with the master's answer.
Bytes answer(Secret const& secret, Bytes const& hello, Bytes const& from_master) {
  EXPECT_EQ(from_master.size(), kMasterHelloSize + kProofSize);
  auto const master_hello = std::span(from_master).first(kMasterHelloSize);
  return proof_of(secret, hello, master_hello, "cohort 1 worker");
}

class Handshake : public testing::Test {
 protected:
  Secret const secret_ = Secret::random();
  MasterHandshake master_{secret_, kListing};
  Bytes const hello_ = Hello{}.bytes();
};

TEST_F(Handshake, AcceptsAWorkerThatKnowsTheSecretAndRunsTheSameProgram) {
  EXPECT_EQ(hello_.size(), kHelloSize);
  EXPECT_EQ(master_.feed(hello_), State::kGoesOn);
  EXPECT_FALSE(master_.authenticated());
  auto const from_master = master_.take_output();
  ASSERT_EQ(from_master.size(), kMasterHelloSize + kProofSize);
  auto const hers =
      proof_of(secret_, hello_, std::span(from_master).first(kMasterHelloSize), "cohort 1 master");
  EXPECT_TRUE(std::equal(hers.begin(), hers.end(), from_master.begin() + kMasterHelloSize));

  auto last = answer(secret_, hello_, from_master);
  put(last, "what follows", 12);
  EXPECT_EQ(master_.feed(last), State::kAccepted);
  EXPECT_TRUE(master_.authenticated());
  EXPECT_EQ(master_.claim().serial, 5U);
  EXPECT_EQ(master_.claim().pid, 4711);
  EXPECT_EQ(master_.claim().host, "node17");
  EXPECT_EQ(master_.take_output(), Bytes(8)) << "a welcome is two zero words";
  auto const rest = master_.leftover();
  EXPECT_EQ(std::string(reinterpret_cast<char const*>(rest.data()), rest.size()), "what follows");
}

TEST_F(Handshake, AcceptsTheSameBytesOneByOne) {
  for (auto byte : hello_) EXPECT_EQ(master_.feed({&byte, 1}), State::kGoesOn);
  auto const last = answer(secret_, hello_, master_.take_output());
  for (std::size_t i = 0; i + 1 < last.size(); ++i) {
    EXPECT_EQ(master_.feed({&last[i], 1}), State::kGoesOn);
    EXPECT_FALSE(master_.authenticated());
  }
  EXPECT_EQ(master_.feed({&last.back(), 1}), State::kAccepted);
}

TEST_F(Handshake, GoesOnAndSaysNothingWhileTheHelloIsCutShort) {
  for (std::size_t size = 0; size < hello_.size(); ++size) {
    MasterHandshake master(secret_, kListing);
    EXPECT_EQ(master.feed(std::span(hello_).first(size)), State::kGoesOn) << size;
    EXPECT_TRUE(master.take_output().empty()) << size;
  }
}

TEST_F(Handshake, RefusesAnotherSecretAndDoesNotSayWhy) {
  auto const other = Secret::random();
  master_.feed(hello_);
  EXPECT_EQ(master_.feed(answer(other, hello_, master_.take_output())), State::kRefused);
  EXPECT_FALSE(master_.authenticated());
  EXPECT_EQ(master_.reason(), "the peer does not know the session's secret");
  EXPECT_TRUE(master_.take_output().empty());
}

TEST_F(Handshake, RefusesTheMastersOwnProofSentBack) {
  master_.feed(hello_);
  auto const from_master = master_.take_output();
  EXPECT_EQ(master_.feed(std::span(from_master).subspan(kMasterHelloSize)), State::kRefused);
}

TEST_F(Handshake, RefusesAForeignProtocolByItsFirstBytes) {
  std::string const request = "GET / HTTP/1.1\r\n";
  EXPECT_EQ(master_.feed(bytes_of(request).first(1)), State::kRefused);
  EXPECT_EQ(master_.reason(), "the peer does not speak cohort's protocol");
  MasterHandshake other(secret_, kListing);
  EXPECT_EQ(other.feed(bytes_of("COHORT\r\r")), State::kRefused);
  EXPECT_TRUE(other.take_output().empty());
}

TEST_F(Handshake, RefusesAnotherVersionAndNamesBoth) {
  Hello hello;
  hello.version = 7;
  EXPECT_EQ(master_.feed(hello.bytes()), State::kRefused);
  EXPECT_EQ(master_.reason(),
            "the peer speaks version 7 of cohort's protocol, this program version 1");
}

TEST_F(Handshake, RefusesTheOtherByteOrder) {
  Hello hello;
  hello.byte_order = 0x04030201;
  EXPECT_EQ(master_.feed(hello.bytes()), State::kRefused);
  EXPECT_EQ(master_.reason(), "the peer has the other byte order");
}

TEST_F(Handshake, NeverAcceptsWhereAByteOfTheHelloWasChangedOnItsWay) {
  for (std::size_t at = 0; at < kHelloSize; ++at) {
    for (int bit : {0, 7}) {
      MasterHandshake master(secret_, kListing);
      auto changed = hello_;
      changed[at] ^= std::byte{1} << bit;
      if (master.feed(changed) == State::kGoesOn) {
        // The worker proves what it sent, which is not what came.
        master.feed(answer(secret_, hello_, master.take_output()));
      }
      EXPECT_EQ(master.state(), State::kRefused) << at;
      EXPECT_FALSE(master.authenticated()) << at;
    }
  }
}

TEST_F(Handshake, NeverAcceptsWhereAByteOfTheProofOrOfTheMastersHelloWasChanged) {
  for (std::size_t at = 0; at < kProofSize + kMasterHelloSize; ++at) {
    MasterHandshake master(secret_, kListing);
    master.feed(hello_);
    auto from_master = master.take_output();
    if (at >= kProofSize) from_master[at - kProofSize] ^= std::byte{1};
    auto proof = answer(secret_, hello_, from_master);
    if (at < kProofSize) proof[at] ^= std::byte{1};
    EXPECT_EQ(master.feed(proof), State::kRefused) << at;
  }
}

TEST_F(Handshake, RefusesTheReplayOfAnOldSession) {
  master_.feed(hello_);
  auto const proof = answer(secret_, hello_, master_.take_output());
  ASSERT_EQ(master_.feed(proof), State::kAccepted);
  MasterHandshake later(secret_, kListing);
  EXPECT_EQ(later.feed(hello_), State::kGoesOn);
  EXPECT_EQ(later.feed(proof), State::kRefused);
}

TEST_F(Handshake, AsksAnotherProgramForItsFunctionsAndNamesTheFirstThatDiffers) {
  std::string const listing = "worker type 0: W, init void\nfunction 0 of W: int W::g()\nbuild 1\n";
  Hello other;
  other.listing = listing;
  auto const hello = other.bytes();
  master_.feed(hello);
  EXPECT_EQ(master_.feed(answer(secret_, hello, master_.take_output())), State::kGoesOn);
  EXPECT_TRUE(master_.authenticated());
  auto const verdict = master_.take_output();
  ASSERT_EQ(verdict.size(), 8U);
  EXPECT_EQ(verdict[0], std::byte{1}) << "send your listing";
  Bytes sent;
  put(sent, static_cast<std::uint32_t>(listing.size()));
  put(sent, listing, listing.size());
  for (std::size_t i = 0; i + 1 < sent.size(); ++i) {
    ASSERT_EQ(master_.feed({&sent[i], 1}), State::kGoesOn);
  }
  EXPECT_EQ(master_.feed({&sent.back(), 1}), State::kRefused);
  EXPECT_EQ(master_.reason(),
            "the worker runs a different executable: it has \"function 0 of W: int W::g()\" where "
            "this program has \"function 0 of W: int W::f()\"");
  auto const told = master_.take_output();  // who proved the secret is told why
  ASSERT_EQ(told.size(), 8 + master_.reason().size());
  EXPECT_EQ(told[0], std::byte{2});
}

TEST_F(Handshake, RefusesAListingThatIsTooLong) {
  Hello other;
  other.listing = "another";
  auto const hello = other.bytes();
  master_.feed(hello);
  master_.feed(answer(secret_, hello, master_.take_output()));
  Bytes length;
  put(length, std::uint32_t{(1 << 20) + 1});
  EXPECT_EQ(master_.feed(length), State::kRefused);
}

// ---- the worker's side -------------------------------------------------------------------------

/// Runs the worker's side against `master`, each message passed through `change`. Returns what the
/// worker threw, or "" where it was welcomed.
std::string run_worker_side(Secret const& secret, MasterHandshake& master,
                            std::string const& listing,
                            std::function<void(Bytes&)> const& change = {}) {
  auto [here, there] = cohort::make_socket_pair();
  std::string thrown;
  std::thread worker([&, socket = there.get()] {
    try {
      cohort::handshake_with_master(socket, secret, listing,
                                    {.serial = 5, .pid = 4711, .host = "node17"},
                                    cohort::Deadline::after(kBound));
    } catch (std::runtime_error const& error) {
      thrown = error.what();
    }
    ::shutdown(socket, SHUT_RDWR);
  });
  std::array<std::byte, 4096> buffer;
  while (true) {
    auto const count = ::recv(here.get(), buffer.data(), buffer.size(), 0);
    if (count <= 0) break;
    master.feed(std::span(buffer.data(), static_cast<std::size_t>(count)));
    auto output = master.take_output();
    if (change) change(output);
    if (!output.empty()) {
      ::send(here.get(), output.data(), output.size(), MSG_NOSIGNAL);
    } else if (master.state() == State::kRefused) {
      ::shutdown(here.get(), SHUT_WR);
    }
  }
  worker.join();
  return thrown;
}

TEST_F(Handshake, OfTheLibrarysWorkerIsAccepted) {
  EXPECT_EQ(run_worker_side(secret_, master_, kListing), "");
  EXPECT_EQ(master_.state(), State::kAccepted);
  EXPECT_EQ(master_.claim().host, "node17");
}

TEST_F(Handshake, OfTheLibrarysWorkerTellsItWhyItWasRefused) {
  auto const thrown = run_worker_side(secret_, master_, "something else\n");
  EXPECT_EQ(master_.state(), State::kRefused);
  EXPECT_EQ(thrown, "refused by the master: " + master_.reason());
}

TEST_F(Handshake, OfTheLibrarysWorkerRefusesAMasterWithoutTheSecret) {
  auto const thrown = run_worker_side(Secret::random(), master_, kListing);
  EXPECT_EQ(thrown, "whoever listens there does not know the session's secret");
  EXPECT_NE(master_.state(), State::kAccepted);
}

TEST_F(Handshake, OfTheLibrarysWorkerRefusesAnyChangeOfTheMastersFirstMessage) {
  for (std::size_t at = 0; at < kMasterHelloSize + kProofSize; ++at) {
    MasterHandshake master(secret_, kListing);
    bool first = true;
    auto const thrown = run_worker_side(secret_, master, kListing, [&](Bytes& output) {
      if (std::exchange(first, false)) output.at(at) ^= std::byte{1};
    });
    EXPECT_NE(thrown, "") << at;
    EXPECT_NE(master.state(), State::kAccepted) << at;
  }
}

TEST_F(Handshake, OfTheLibrarysWorkerGivesUpAtTheDeadline) {
  auto const [here, there] = cohort::make_socket_pair();
  try {
    cohort::handshake_with_master(there.get(), secret_, kListing, {},
                                  cohort::Deadline::after(50ms));
    ADD_FAILURE() << "nobody answered";
  } catch (std::system_error const& error) {
    EXPECT_EQ(error.code().value(), ETIMEDOUT);
  }
}

}  // namespace
}  // namespace launch_test
