#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include "jobs/stats/block_reader.h"
#include "jobs/stats/discovery.h"
#include "jobs/stats/extent.h"
#include "jobs/stats/plan.h"
#include "jobs/stats/removed_on_signal.h"
#include "jobs/stats/report.h"
#include "jobs/stats/stats_job.h"
#include "jobs/stats/summary.h"
#include "jobs/stats/text.h"

namespace cohort::stats {
namespace {

namespace fs = std::filesystem;

/// A folder that goes with the test.
class StatsReport : public testing::Test {
 protected:
  StatsReport() {
    std::string name = (fs::temp_directory_path() / "stats-report-XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  ~StatsReport() override { fs::remove_all(folder_); }

  [[nodiscard]] std::string at(std::string const& name) const { return (folder_ / name).string(); }

  static Summary integers() {
    Summary summary;
    summary.file = "a.h5";
    summary.dataset = "/n";
    summary.units = "K";
    summary.count = 3;
    summary.min = Number(std::int64_t{-9223372036854775807});
    summary.max = Number(std::int64_t{4611686018427387905});
    summary.mean = 0.1;
    summary.std_dev = 1e300;
    summary.edges = {0, 1, 2};
    summary.counts = {1, 2};
    return summary;
  }
  static Summary nothing() {
    Summary summary;
    summary.file = "a.h5";
    summary.dataset = "/empty \xff";
    summary.units = "K";
    summary.nonfinite = 4;
    summary.edges = {0, 0.5, 1};
    summary.counts = {0, 0};
    return summary;
  }
  static Report report(std::vector<StatsError> errors) {
    return {.results = {integers(), nothing()}, .errors = std::move(errors), .skipped = {}};
  }

  fs::path folder_;
};

nlohmann::json parsed(Report const& report) {
  std::stringstream out;
  print_json(out, report, {});
  return nlohmann::json::parse(out);
}

/// The first pass over a dataset that `argument` names alone.
struct Scanned {
  DatasetInfo info;
  Extent extent;
};
Scanned scan(std::string const& argument) {
  auto const found = discover(argument);
  if (found.datasets.size() != 1) throw std::runtime_error("not one dataset: " + argument);
  Scanned scanned{found.datasets.front(), {}};
  BlockReader reader;
  BlockPlan const plan(scanned.info);
  for (std::uint64_t i = 0; i < plan.size(); ++i) {
    FirstPass found_here;
    reader.for_each_piece(
        plan[i], [&](Elements elements, std::uint64_t times) { found_here.add(elements, times); });
    merge(scanned.extent, found_here.extent);
  }
  return scanned;
}

TEST_F(StatsReport, WritesValidJsonWithExactIntegersAndNulls) {
  auto const json = parsed(report({{"b.h5", "", "not an HDF5 file"}}));
  auto const& first = json.at("datasets").at(0);
  EXPECT_EQ(first.at("min").get<std::int64_t>(), -9223372036854775807);
  EXPECT_EQ(first.at("max").get<std::int64_t>(), 4611686018427387905);
  EXPECT_EQ(first.at("mean").get<double>(), 0.1);
  EXPECT_EQ(first.at("histogram").at("counts"), (std::vector<int>{1, 2}));
  auto const& second = json.at("datasets").at(1);
  for (char const* key : {"min", "max", "mean", "std"}) EXPECT_TRUE(second.at(key).is_null());
  EXPECT_EQ(json.at("errors").at(0).at("error"), "not an HDF5 file");
  EXPECT_EQ(parsed(Report{}).at("datasets"), nlohmann::json::array());
}

TEST_F(StatsReport, PrintsExactIntegersDashesAndErrors) {
  std::ostringstream out;
  print_table(out, report({{"b.h5", "/x", "line\nbreak"}}));
  EXPECT_NE(out.str().find("4611686018427387905"), std::string::npos);
  EXPECT_NE(out.str().find("  -  "), std::string::npos);
  EXPECT_NE(out.str().find("error: b.h5:/x: line?break\n"), std::string::npos);
}

TEST_F(StatsReport, WritesAnHdf5FileThatItCanReadItself) {
  Origin origin;
  origin.inputs.assign(3000, "a very long list of inputs");
  write_hdf5(at("out.h5"), report({{"b.h5", "", "bad"}}), origin);
  auto const counts = scan(at("out.h5") + ":/histogram_counts");
  EXPECT_EQ(counts.info.units, "1");
  EXPECT_EQ(counts.extent.count, 4u);
  EXPECT_EQ(counts.extent.max, Number(std::uint64_t{2}));
  auto const means = scan(at("out.h5") + ":/mean");
  EXPECT_EQ(means.info.units, "K");
  EXPECT_EQ(means.extent.nonfinite, 1u);
}

TEST_F(StatsReport, LeavesNothingBehindWhenItCannotWrite) {
  EXPECT_THROW(write_hdf5(at("no/out.h5"), Report{}, {}), std::runtime_error);
  fs::create_directory(at("taken"));
  EXPECT_THROW(write_hdf5(at("taken"), Report{}, {}), std::runtime_error);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

TEST_F(StatsReport, ExitCodeTellsAllFromSomeFromNothing) {
  EXPECT_EQ(exit_code({integers()}, {}), 0);
  EXPECT_EQ(exit_code({integers()}, {{"b", "", "bad"}}), 1);
  EXPECT_EQ(exit_code({}, {{"b", "", "bad"}}), 2);
}

TEST_F(StatsReport, PutsAnErrorOfSeveralLinesIntoOne) {
  EXPECT_EQ(one_line("worker 3: lost\nlast lines of its stderr:\n\x1b[31mbad\tthing\r\n\n"),
            "worker 3: lost | last lines of its stderr: |  [31mbad thing");
  EXPECT_EQ(one_line(""), "");
}

TEST_F(StatsReport, TakesBytesThatAreNoUtf8ForLatin1) {
  EXPECT_EQ(utf8_text("\xb0"
                      "C \xc2\xb0"
                      "C"),
            "\xc2\xb0"
            "C \xc2\xb0"
            "C");
  EXPECT_EQ(utf8_text("\xe2\x82"), "\xc3\xa2\\x82");              // cut in a character
  EXPECT_EQ(utf8_text("\xc0\x80"), "\xc3\x80\\x80");              // overlong
  EXPECT_EQ(utf8_text("\xed\xa0\x80"), "\xc3\xad\xc2\xa0\\x80");  // a surrogate
  EXPECT_EQ(utf8_text("\xf0\x9f\x98\x80"), "\xf0\x9f\x98\x80");
}

TEST_F(StatsReport, CutsTextsBetweenCharacters) {
  EXPECT_EQ(cut_text("a\xc3\xa9", 2), "a");
  EXPECT_EQ(cut_text("a\xc3\xa9", 3), "a\xc3\xa9");
  EXPECT_EQ(cut_text("\xf0\x9f\x98\x80", 3), "");
}

TEST_F(StatsReport, ShowsEqualCountsAsEqualInAnyWidth) {
  Summary reals;
  reals.count = 1;
  reals.min = Number(0.0);
  for (std::size_t const bins : {50u, 53u, 7u, 1000u}) {
    reals.counts.assign(bins, 12);
    for (std::size_t const cells : {8u, 20u, 25u}) {
      std::string line = sparkline(reals, cells);
      EXPECT_LE(columns_of(line), cells);
      while (line.starts_with("\u2588")) line.erase(0, 3);
      EXPECT_EQ(line, "") << bins << " bins in " << cells << " cells";
    }
  }
}

TEST_F(StatsReport, KeepsToTheWidthOfATerminal) {
  for (std::size_t const width : {30u, 50u, 100u}) {
    std::ostringstream out;
    print_table(out, report({}), width);
    std::istringstream lines(out.str());
    for (std::string line; std::getline(lines, line);) EXPECT_LE(columns_of(line), width) << line;
  }
}

TEST_F(StatsReport, RemovesItsTemporaryFileWhenASignalEndsTheProcess) {
  for (int const number : {SIGTERM, SIGINT, SIGHUP}) {
    std::string const path = at("temporary");
    pid_t const child = ::fork();
    if (child == 0) {
      RemovedOnSignal const removed(path);
      std::ofstream(path) << "a part";
      ::raise(number);
      ::_exit(1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == number);
    EXPECT_FALSE(fs::exists(path));
  }
}

TEST_F(StatsReport, LeavesAnIgnoredSignalIgnored) {
  auto const before = std::signal(SIGHUP, SIG_IGN);
  std::ofstream(at("temporary")) << "a part";
  {
    RemovedOnSignal const removed(at("temporary"));
    ::raise(SIGHUP);
    EXPECT_TRUE(fs::exists(at("temporary")));
  }
  std::signal(SIGHUP, before);
}

TEST_F(StatsReport, PrefersAFileWhoseNameHasAColon) {
  std::ofstream(at("b:c"));
  EXPECT_EQ(split_argument(at("b:c")).dataset, "");
  EXPECT_EQ(split_argument(at("b:c:/x:/y")).file, at("b:c"));
  EXPECT_EQ(split_argument(at("b:c:/x:/y")).dataset, "/x:/y");
  EXPECT_EQ(split_argument(at("b:c:x")).dataset, "/x");
  EXPECT_EQ(split_argument("missing.h5:/x").file, "missing.h5");
  EXPECT_EQ(split_argument("missing.h5").file, "missing.h5");
}

}  // namespace
}  // namespace cohort::stats
