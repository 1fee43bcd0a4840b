// Where the workers' output goes.
#include <algorithm>
#include <array>
#include <cstdio>
#include <sstream>

#include "tests/conformance/conformance.h"

namespace conformance {
namespace {

using cohort::Redirect;
using launch_test::read_file;
using launch_test::write_file;

std::vector<std::string> lines_of(std::string const& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

class Redirection : public ProcessConformance {
 protected:
  void print(Redirect out, Redirect err, std::string const& to_out, std::string const& to_err) {
    start_with<Everything>({.redirect_stdout = std::move(out), .redirect_stderr = std::move(err)},
                           0)
        .call(fn<&Everything::print>, to_out, to_err)
        .get();
    end_cluster();
  }
  /// What this process, and so its workers' forwarded lines, wrote meanwhile.
  struct Captured {
    std::string out;
    std::string err;
  };
  template <class Function>
  static Captured captured(Function&& function) {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    function();
    auto out = testing::internal::GetCapturedStdout();
    return {std::move(out), testing::internal::GetCapturedStderr()};
  }
  TempDir const dir;
};
COHORT_EACH_PROCESS_PLACE(Redirection);

TEST_P(Redirection, ForwardsEachLineWithTheWorkersName) {
  std::vector<std::string> tags;
  auto const [out, err] = captured([&] {
    {
      for (auto const& worker : cohort::spawn<Everything>(cluster(), {.count = 2}, 0)) {
        worker.call(fn<&Everything::print>, "one\ntwo\nwithout an end", "three\n").get();
        tags.push_back("[worker " + worker.id().to_string() + ' ' + worker.host() + ' ' +
                       std::to_string(worker.pid()) + "] ");
      }
      auto const named = start_with<Everything>({.name = "reader"}, 0);
      named.call(fn<&Everything::print>, "one\ntwo\nwithout an end", "three\n").get();
      tags.push_back("[worker 3 reader " + named.host() + ' ' + std::to_string(named.pid()) + "] ");
    }
    end_cluster();
  });
  auto lines = lines_of(out);
  for (auto const& tag : tags) {
    std::vector<std::string> its_own;
    std::copy_if(lines.begin(), lines.end(), std::back_inserter(its_own),
                 [&](auto const& line) { return line.starts_with(tag); });
    EXPECT_EQ(its_own,
              (std::vector<std::string>{tag + "one", tag + "two", tag + "without an end"}));
    EXPECT_TRUE(contains(err, tag + "three\n"));
  }
  EXPECT_EQ(lines.size(), 9u) << out;
  EXPECT_EQ(lines_of(err).size(), 3u) << err;
}

TEST_P(Redirection, ForwardsTenMegabytesAndLosesNoLine) {
  constexpr std::size_t kBytes = 10'000'000;
  auto const [out, err] = captured([&] {
    for (auto const& worker : cohort::spawn<Everything>(cluster(), {.count = 2}, 0)) {
      worker.call(fn<&Everything::print_lines>, kBytes).get();
    }
    end_cluster();
  });
  std::array<int, 3> next{};
  std::size_t bytes = 0;
  for (auto const& line : lines_of(out)) {
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
  EXPECT_EQ(err, "");
}

TEST_P(Redirection, AppendsToAFile) {
  write_file(dir / "out", "before\n");
  print(Redirect::append(dir / "out"), Redirect::append(dir / "err"), "to out\n", "to err\n");
  print(Redirect::append(dir / "out"), Redirect::append(dir / "err"), "again", "again");
  EXPECT_EQ(read_file(dir / "out"), "before\nto out\nagain");
  EXPECT_EQ(read_file(dir / "err"), "to err\nagain");
}

TEST_P(Redirection, TruncatesAFile) {
  write_file(dir / "out", "before, and much longer than what comes\n");
  print(Redirect::truncate(dir / "out"), Redirect::null(), "to out\n", "to err\n");
  EXPECT_EQ(read_file(dir / "out"), "to out\n");
}

TEST_P(Redirection, HasAFileForEachWorker) {
  {
    auto const workers = cohort::spawn<Everything>(
        cluster(), {.count = 2, .redirect_stdout = Redirect::truncate(dir / "%i-%w-%h-100%%")}, 0);
    for (auto const& worker : workers) {
      worker.call(fn<&Everything::print>, worker.id().to_string(), "").get();
    }
  }
  end_cluster();
  EXPECT_EQ(read_file(dir / ("0-1-" + cohort::host_name() + "-100%")), "1");
  EXPECT_EQ(read_file(dir / ("1-2-" + cohort::host_name() + "-100%")), "2");
}

TEST_P(Redirection, EmptiesOneFileOfSeveralWorkersOnce) {
  write_file(dir / "out", "before\n");
  {
    auto const workers = cohort::spawn<Everything>(
        cluster(), {.count = 3, .redirect_stdout = Redirect::truncate(dir / "out")}, 0);
    for (auto const& worker : workers) {
      worker.call(fn<&Everything::print>, worker.id().to_string() + '\n', "").get();
    }
  }
  end_cluster();
  EXPECT_EQ(read_file(dir / "out"), "1\n2\n3\n");
}

TEST_P(Redirection, RefusesAPercentThatMeansNothing) {
  for (auto const* path : {"out.%q", "out.%", "out.%p"}) {
    try {
      static_cast<void>(
          cohort::spawn_one<Everything>(cluster(), {.redirect_stderr = Redirect::append(path)}, 0));
      ADD_FAILURE() << "taken: " << path;
    } catch (std::invalid_argument const& error) {
      EXPECT_TRUE(contains(error.what(), std::string("SpawnOptions::redirect_stderr: \"") + path));
      EXPECT_TRUE(contains(error.what(), "means nothing: a path has %i (index)"));
    }
  }
}

TEST_P(Redirection, TakesBothStreamsIntoOneFile) {
  print(Redirect::append(dir / "both"), Redirect::append(dir / "both"), "to out\n", "to err\n");
  EXPECT_EQ(read_file(dir / "both"), "to out\nto err\n");
}

TEST_P(Redirection, ToNothingIsSilent) {
  auto const [out, err] =
      captured([&] { print(Redirect::null(), Redirect::null(), "to out\n", "to err\n"); });
  EXPECT_EQ(out, "");
  EXPECT_EQ(err, "");
}

}  // namespace
}  // namespace conformance
