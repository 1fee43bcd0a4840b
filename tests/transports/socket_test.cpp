#include "transports/socket.h"

#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include "tests/support/waiting.h"

namespace cohort {
namespace {

using namespace std::chrono_literals;

Deadline bound() { return Deadline::after(test::kBound); }

bool is_open(int descriptor) { return ::fcntl(descriptor, F_GETFD) >= 0; }
bool closes_on_exec(UniqueFd const& socket) {
  return (::fcntl(socket.get(), F_GETFD) & FD_CLOEXEC) != 0;
}

TEST(UniqueFd, ClosesItsDescriptorOnce) {
  auto [first, second] = make_socket_pair();
  int const descriptor = first.get();
  UniqueFd moved(std::move(first));
  EXPECT_FALSE(static_cast<bool>(first));  // NOLINT(bugprone-use-after-move): that is the point
  EXPECT_EQ(moved.get(), descriptor);
  moved.reset();
  EXPECT_FALSE(is_open(descriptor));
  int const released = second.release();
  EXPECT_TRUE(is_open(released));
  UniqueFd const owner(released);
}

TEST(Socket, PairsAreConnectedAndCloseOnExec) {
  auto const [a, b] = make_socket_pair();
  EXPECT_TRUE(closes_on_exec(a));
  EXPECT_TRUE(closes_on_exec(b));
  EXPECT_TRUE(send_exactly(a.get(), "text", 4, bound()));
  char text[4];
  EXPECT_TRUE(receive_exactly(b.get(), text, 4, bound()));
  EXPECT_EQ(std::string(text, 4), "text");
}

TEST(Socket, ListensOnAPortThatTheSystemChoosesAndAccepts) {
  for (char const* host : {"127.0.0.1", "::1"}) {
    std::pair<UniqueFd, Endpoint> listening;
    try {
      listening = listen_tcp({host, 0}, 4);
    } catch (std::system_error const&) {
      continue;  // no IPv6 here
    }
    auto const& [listener, endpoint] = listening;
    EXPECT_EQ(endpoint.host, host);
    EXPECT_NE(endpoint.port, 0);
    EXPECT_FALSE(accept_connection(listener.get()).has_value())
        << "nobody waits, and it does not block";
    auto const client = connect_to(endpoint, bound());
    pollfd waiting{listener.get(), POLLIN, 0};
    ASSERT_EQ(::poll(&waiting, 1, 30'000), 1);
    auto const server = accept_connection(listener.get());
    ASSERT_TRUE(server.has_value());
    EXPECT_TRUE(closes_on_exec(listener) && closes_on_exec(client) && closes_on_exec(*server));
    EXPECT_TRUE(send_exactly(client.get(), "x", 1, bound()));
    char byte = 0;
    EXPECT_TRUE(receive_exactly(server->get(), &byte, 1, bound()));
    EXPECT_EQ(byte, 'x');
  }
}

TEST(Socket, NamesTheStepThatFailedToConnect) {
  Endpoint nobody;
  {
    auto const [listener, endpoint] = listen_tcp({"127.0.0.1", 0}, 1);
    nobody = endpoint;
  }
  try {
    static_cast<void>(connect_to(nobody, bound()));
    FAIL() << "nothing was thrown";
  } catch (std::system_error const& error) {
    EXPECT_EQ(error.code().value(), ECONNREFUSED);
    EXPECT_TRUE(std::string(error.what()).starts_with("connect: ")) << error.what();
  }
}

TEST(Socket, TriesEveryAddressOfAHost) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* addresses = nullptr;
  ASSERT_EQ(::getaddrinfo("localhost", nullptr, &hints, &addresses), 0);
  bool const has_two = addresses->ai_next != nullptr;
  ::freeaddrinfo(addresses);
  if (!has_two) GTEST_SKIP() << "localhost has one address here";
  for (auto const* host : {"127.0.0.1", "::1"}) {
    auto const [listener, endpoint] = listen_tcp({host, 0}, 1);
    EXPECT_NO_THROW(static_cast<void>(connect_to({"localhost", endpoint.port}, bound()))) << host;
  }
}

TEST(Socket, NamesTheHostThatDoesNotResolve) {
  try {
    static_cast<void>(connect_to({"no such host", 1}, bound()));
    FAIL() << "nothing was thrown";
  } catch (std::runtime_error const& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with("cannot resolve no such host: "))
        << error.what();
  }
}

TEST(Socket, MovesExactlySoManyBytesThroughASmallBuffer) {
  auto const [a, b] = make_socket_pair();
  std::string sent(2 << 20, 'x');
  sent.back() = 'y';
  std::thread sender(
      [&, from = a.get()] { EXPECT_TRUE(send_exactly(from, sent.data(), sent.size(), bound())); });
  std::string received(sent.size(), '\0');
  EXPECT_TRUE(receive_exactly(b.get(), received.data(), received.size(), bound()));
  sender.join();
  EXPECT_TRUE(received == sent);
}

TEST(Socket, SaysThatTheStreamEndedBeforeAllWasMoved) {
  auto [a, b] = make_socket_pair();
  EXPECT_TRUE(send_exactly(a.get(), "ab", 2, bound()));
  a.reset();
  char text[3];
  EXPECT_FALSE(receive_exactly(b.get(), text, 3, bound()));
  EXPECT_FALSE(send_exactly(b.get(), "x", 1, bound()));
}

TEST(Socket, ThrowsATimeoutThatNamesTheCall) {
  auto const [a, b] = make_socket_pair();
  char byte = 0;
  try {
    receive_exactly(b.get(), &byte, 1, Deadline::after(2ms));
    FAIL() << "nothing was thrown";
  } catch (std::system_error const& error) {
    EXPECT_EQ(error.code().value(), ETIMEDOUT);
    EXPECT_TRUE(std::string(error.what()).starts_with("recv: ")) << error.what();
  }
  std::string const much(8 << 20, 'x');
  try {
    send_exactly(a.get(), much.data(), much.size(), Deadline::after(2ms));
    FAIL() << "nothing was thrown";
  } catch (std::system_error const& error) {
    EXPECT_EQ(error.code().value(), ETIMEDOUT);
    EXPECT_TRUE(std::string(error.what()).starts_with("send: ")) << error.what();
  }
}

TEST(Socket, BecomesNonBlockingAndBlockingAgain) {
  auto const [a, b] = make_socket_pair();
  auto const nonblocking = [&] { return (::fcntl(a.get(), F_GETFL) & O_NONBLOCK) != 0; };
  set_nonblocking(a.get(), true);
  EXPECT_TRUE(nonblocking());
  set_nonblocking(a.get(), false);
  EXPECT_FALSE(nonblocking());
}

}  // namespace
}  // namespace cohort
