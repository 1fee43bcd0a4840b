// Where the workers' output goes. Forwarded lines are looked at in a master of its own.
#include <algorithm>
#include <sstream>

#include "tests/launch/scenarios.h"
#include "tests/launch/support.h"
#include "tests/launch/workers.h"

namespace launch_test {

/// Arguments: the transport, and what to print ("lines" or a number of bytes).
int print_from_two_workers(std::span<char* const> arguments) {
  cohort::Cluster cluster(kTypes, {.transport = cohort::parse_transport(arguments[0])});
  auto const workers = cohort::spawn<Saboteur>(cluster, {.count = 2});
  std::string const what = arguments[1];
  for (auto const& worker : workers) {
    if (what == "lines") {
      worker.call(cohort::fn<&Saboteur::print>, "one\ntwo\nwithout an end", "three\n").get();
    } else {
      worker.call(cohort::fn<&Saboteur::print_lines>, std::stoull(what)).get();
    }
    std::printf("pid %d\n", worker.pid());
  }
  std::fflush(stdout);
  return 0;
}

namespace {

using cohort::fn;
using cohort::Redirect;
using cohort::spawn_one;

std::vector<std::string> lines_of(std::string const& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

class Redirection : public OverTransports {
 protected:
  [[nodiscard]] std::string transport() const {
    return GetParam() == cohort::Transport::kUnix ? "unix" : "tcp";
  }
  void print(Redirect out, Redirect err, std::string const& to_out, std::string const& to_err) {
    cohort::Cluster cluster(kTypes, options());
    auto const worker = spawn_one<Saboteur>(
        cluster, {.redirect_stdout = std::move(out), .redirect_stderr = std::move(err)});
    worker.call(fn<&Saboteur::print>, to_out, to_err).get();
  }
  TempDir dir_;
};

TEST_P(Redirection, ForwardsEachLineWithTheWorkersName) {
  ChildProgram master(scenario("print", {transport(), "lines"}));
  ASSERT_EQ(master.wait(), 0) << master.err();
  auto const out = lines_of(master.out());
  for (int id : {1, 2}) {
    auto const worker = "[worker " + std::to_string(id) + ' ';
    auto const first = std::find_if(out.begin(), out.end(), [&](auto const& line) {
      return line.starts_with(worker) && line.ends_with("] one");
    });
    ASSERT_NE(first, out.end()) << master.out();
    auto const tag = first->substr(0, first->size() - 3);
    auto const pid = tag.substr(tag.rfind(' ', tag.size() - 2) + 1);
    auto const host_and_rest = tag.substr(worker.size());
    EXPECT_EQ(std::count(host_and_rest.begin(), host_and_rest.end(), ' '), 2) << tag;
    EXPECT_TRUE(contains(master.out(), "pid " + pid.substr(0, pid.size() - 2) + '\n'));
    EXPECT_EQ(std::count(out.begin(), out.end(), tag + "two"), 1);
    EXPECT_EQ(std::count(out.begin(), out.end(), tag + "without an end"), 1) << master.out();
    EXPECT_TRUE(contains(master.err(), tag + "three\n"));
  }
  EXPECT_EQ(out.size(), 8U) << master.out();
}

TEST_P(Redirection, ForwardsTenMegabytesAndLosesNoLine) {
  constexpr std::size_t kBytes = 10'000'000;
  ChildProgram master(scenario("print", {transport(), std::to_string(kBytes)}));
  ASSERT_EQ(master.wait(), 0) << master.err();
  std::array<int, 3> next{};
  std::size_t bytes = 0;
  for (auto const& line : lines_of(master.out())) {
    if (line.starts_with("pid ")) continue;
    ASSERT_TRUE(line.starts_with("[worker ")) << line;
    auto const id = static_cast<std::size_t>(line[8] - '0');
    auto const text = line.substr(line.find("] ") + 2);
    char expected[100];
    bytes += static_cast<std::size_t>(std::snprintf(
        expected, sizeof expected, "line %07d of many, long enough to fill a pipe before long\n",
        next.at(id)++));
    ASSERT_EQ(text + '\n', expected);
  }
  EXPECT_GE(bytes, 2 * kBytes);
}

TEST_P(Redirection, AppendsToAFile) {
  write_file(dir_ / "out", "before\n");
  print(Redirect::append(dir_ / "out"), Redirect::append(dir_ / "err"), "to out\n", "to err\n");
  print(Redirect::append(dir_ / "out"), Redirect::append(dir_ / "err"), "again", "again");
  EXPECT_EQ(read_file(dir_ / "out"), "before\nto out\nagain");
  EXPECT_EQ(read_file(dir_ / "err"), "to err\nagain");
}

TEST_P(Redirection, TruncatesAFile) {
  write_file(dir_ / "out", "before, and much longer than what comes\n");
  print(Redirect::truncate(dir_ / "out"), Redirect::null(), "to out\n", "to err\n");
  EXPECT_EQ(read_file(dir_ / "out"), "to out\n");
}

TEST_P(Redirection, TakesBothStreamsIntoOneFile) {
  print(Redirect::append(dir_ / "both"), Redirect::append(dir_ / "both"), "to out\n", "to err\n");
  EXPECT_EQ(read_file(dir_ / "both"), "to out\nto err\n");
}

TEST_P(Redirection, ToNothingIsSilent) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  print(Redirect::null(), Redirect::null(), "to out\n", "to err\n");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

COHORT_OVER_TRANSPORTS(Redirection);

}  // namespace
}  // namespace launch_test
