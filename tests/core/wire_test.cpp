// core/WIRE.md prints the bytes of a call: they are what a call really sends.
#include <fstream>
#include <iterator>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/peers.h"

namespace cohort {
namespace {

using Bytes = std::vector<std::byte>;

/// As in the document.
class Summer {
 public:
  double sum(std::vector<double> const& xs) { return std::accumulate(xs.begin(), xs.end(), 10.0); }
  using Functions = FunctionList<&Summer::sum>;
};

/// The bytes of the document's example, line by line: up to two spaces, behind which the words
/// begin.
std::vector<Bytes> printed_lines() {
  std::ifstream file(COHORT_SOURCE_DIR "/core/WIRE.md");
  std::vector<Bytes> lines;
  bool in_block = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("```")) in_block = !in_block;
    if (!in_block || line.starts_with("```")) continue;
    std::string digits;
    std::istringstream words(line.substr(0, line.find("  ")));
    for (std::string word; words >> word;) digits += word;
    Bytes bytes;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
      bytes.push_back(static_cast<std::byte>(std::stoi(digits.substr(i, 2), nullptr, 16)));
    }
    lines.push_back(std::move(bytes));
  }
  return lines;
}

Bytes joined(Bytes first, Bytes const& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

TEST(Wire, CarriesACallAsTheDocumentPrintsIt) {
  auto const lines = printed_lines();
  ASSERT_EQ(lines.size(), 4u);
  auto channels = test::make_channels(test::Transport::kInproc);
  test::RawPeer worker(std::move(channels.second));
  Engine engine;
  test::CallerSide caller;
  caller.connection = std::make_shared<Connection>(engine, std::move(channels.first),
                                                   test::test_settings(), Provenance{}, caller);
  caller.connection->start();
  auto sum = test::call<Summer>(caller.connection, fn<&Summer::sum>, std::vector{1.0, 2.0});
  EXPECT_EQ(worker.receive(48), joined(lines[0], lines[1]));
  ASSERT_TRUE(worker.send(joined(lines[2], lines[3])));
  EXPECT_EQ(sum.get(), 13.0);
  caller.connection->close(ErrorKind::kDisconnected, "over");
}

TEST(Wire, CarriesAReplyAsTheDocumentPrintsIt) {
  auto const lines = printed_lines();
  ASSERT_EQ(lines.size(), 4u);
  auto channels = test::make_channels(test::Transport::kInproc);
  test::RawPeer caller(std::move(channels.second));
  Engine engine;
  Summer summer;
  test::WorkerSide worker(engine);
  worker.dispatcher.serve(&summer, test::FunctionsOf<Summer, Summer::Functions>::value);
  worker.connection = std::make_shared<Connection>(engine, std::move(channels.first),
                                                   test::test_settings(), Provenance{}, worker);
  worker.connection->start();
  std::thread thread([&] { worker.dispatcher.run(); });
  ASSERT_TRUE(caller.send(joined(lines[0], lines[1])));
  EXPECT_EQ(caller.receive(32), joined(lines[2], lines[3]));
  worker.dispatcher.stop();
  thread.join();
  worker.connection->close(ErrorKind::kDisconnected, "over");
}

TEST(Wire, CarriesAFailureAsTheDocumentDescribesIt) {
  auto const bytes = test::encoded(RemoteFailure{RemoteFailure::Kind::kRefused, "T", "no", "f"});
  Bytes expected(1 + 8 + 1 + 8 + 2 + 8 + 1);
  expected[0] = std::byte{2};
  expected[1] = std::byte{1};
  expected[9] = std::byte{'T'};
  expected[10] = std::byte{2};
  expected[18] = std::byte{'n'};
  expected[19] = std::byte{'o'};
  expected[20] = std::byte{1};
  expected[28] = std::byte{'f'};
  EXPECT_EQ(bytes, expected);
}

}  // namespace
}  // namespace cohort
