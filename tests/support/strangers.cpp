#include "tests/support/strangers.h"

#include <chrono>
#include <system_error>

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/support/waiting.h"

namespace cohort::test {

std::string hello_bytes() {
  auto const [here, there] = make_socket_pair();
  try {
    handshake_with_master(there.get(), Secret::random(), "listing", {1, 4711, "node17"},
                          Deadline::after(std::chrono::milliseconds(1)));
  } catch (std::exception const&) {  // nobody answers
  }
  std::string hello(152, '\0');
  EXPECT_TRUE(receive_exactly(here.get(), hello.data(), hello.size(), Deadline::after(kBound)));
  return hello;
}

std::string bytes_of(FrameHeader const& header) {
  return {reinterpret_cast<char const*>(&header), sizeof header};
}

int connections_refused_in(std::string_view line) {
  if (line.starts_with("refused a connection to ")) return 1;
  if (line.ends_with(" more lines about refused connections were left out")) {
    return std::stoi(std::string(line));
  }
  return 0;
}

Stranger::Stranger(Endpoint const& endpoint)
    : socket_(connect_to(endpoint, Deadline::after(kBound))) {}

void Stranger::send(std::string_view bytes) const {
  try {
    static_cast<void>(
        send_exactly(socket_.get(), bytes.data(), bytes.size(), Deadline::after(kBound)));
  } catch (std::system_error const& error) {
    EXPECT_NE(error.code().value(), ETIMEDOUT) << "neither read nor hung up";
  }
}

std::uint16_t Stranger::port() const {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  EXPECT_EQ(::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  return ntohs(address.sin_port);
}

void Stranger::shake_hands(Secret const& secret, std::string_view description) const {
  handshake_with_master(socket_.get(), secret, description, {0, 4711, "node17"},
                        Deadline::after(kBound));
}

std::string Stranger::read_to_end() const {
  std::string all;
  char byte = 0;
  auto const deadline = Deadline::after(kBound);
  try {
    while (receive_exactly(socket_.get(), &byte, 1, deadline)) all += byte;
  } catch (std::system_error const& error) {
    ADD_FAILURE() << "not hung up: " << error.what();
  }
  return all;
}

}  // namespace cohort::test
