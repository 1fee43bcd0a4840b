// core/WIRE.md prints the bytes of a call: they are what a call really sends.
#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <numeric>
#include <optional>
#include <sstream>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
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

struct Point {
  std::uint8_t x = 0;
  std::uint8_t y = 0;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& x& y;
  }
};

struct Nothing {
  template <class Archive>
  void serialize(Archive&, unsigned) {}
};

/// The examples of the document's table of values: each is an expression and its bytes, both in
/// backticks, in a row's last cell.
std::map<std::string, Bytes> printed_values() {
  std::ifstream file(COHORT_SOURCE_DIR "/core/WIRE.md");
  std::map<std::string, Bytes> values;
  bool in_table = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("## ")) in_table = line == "## Values";
    if (!in_table || !line.starts_with("| ") || !line.ends_with("` |")) continue;
    std::istringstream cell(line.substr(line.rfind(" | ", line.size() - 3) + 3));
    std::string skipped;
    std::string expression;
    std::string digits;
    std::getline(cell, skipped, '`');
    std::getline(cell, expression, '`');
    std::getline(cell, skipped, '`');
    std::getline(cell, digits, '`');
    std::istringstream words(digits);
    Bytes bytes;
    for (std::string word; words >> word;) {
      bytes.push_back(static_cast<std::byte>(std::stoi(word, nullptr, 16)));
    }
    values.emplace(expression, std::move(bytes));
  }
  return values;
}

TEST(Wire, CarriesValuesAsTheDocumentPrintsThem) {
  using std::filesystem::path;
  using Seconds = std::chrono::duration<std::int32_t>;
  using Instant = std::chrono::time_point<std::chrono::system_clock, Seconds>;
  std::map<std::string, Bytes> const sent{
      {"std::int16_t{-2}", test::encoded(std::int16_t{-2})},
      {"true", test::encoded(true)},
      {"std::string(\"hi\")", test::encoded(std::string("hi"))},
      {"path(\"/\")", test::encoded(path("/"))},
      {"std::vector{true, false}", test::encoded(std::vector{true, false})},
      {"std::array<std::uint16_t, 2>{1, 2}", test::encoded(std::array<std::uint16_t, 2>{1, 2})},
      {"std::pair(std::uint8_t{7}, true)", test::encoded(std::pair(std::uint8_t{7}, true))},
      {"std::optional(std::uint8_t{7})", test::encoded(std::optional(std::uint8_t{7}))},
      {"std::variant<bool, std::uint8_t>(std::uint8_t{7})",
       test::encoded(std::variant<bool, std::uint8_t>(std::uint8_t{7}))},
      {"std::monostate{}", test::encoded(std::monostate{})},
      {"std::optional(std::tuple<>{})", test::encoded(std::optional(std::tuple<>{}))},
      {"std::array<int, 0>{}", test::encoded(std::array<int, 0>{})},
      {"std::chrono::duration<std::int32_t>(3)", test::encoded(Seconds(3))},
      {"system_clock at 3 as int32 seconds", test::encoded(Instant(Seconds(3)))},
      {"Point{1, 2}", test::encoded(Point{1, 2})},
      {"Nothing{}", test::encoded(Nothing{})},
  };
  EXPECT_EQ(printed_values(), sent);
}

}  // namespace
}  // namespace cohort
