// cohort-stats: the command line.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <pwd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "jobs/stats/report.h"
#include "jobs/stats/stats_job.h"
#include "jobs/stats/whole_file.h"
#include "launch/command_line.h"
#include "launch/start_app.h"

namespace {

using namespace cohort;

constexpr auto kTypes = app_types<stats::StatsWorker>;
constexpr std::uint32_t kBinsAtMost = 1'000'000;

constexpr char kDescription[] =
    R"(Statistics of every numeric dataset of HDF5 and netCDF files (netCDF-4 and classic): count,
non-finite count, min, max, mean, population standard deviation and a histogram, computed by worker
processes.)";
constexpr char kFooter[] =
    R"(All figures are over the finite values; count is their number. Packed numbers are unpacked, as
double: stored * scale_factor + add_offset. What _FillValue, missing_value, valid_range,
valid_min or valid_max say is no value is counted as masked, apart from what is not finite;
_Unsigned is honoured. --raw takes the stored numbers. Enums, booleans and bitfields count as
the integers that they are stored as; compounds (complex numbers too) go field by field, arrays
and variable lengths by their numbers; these are taken as they are stored. A long double beyond
the range of a double is not finite. Links are followed, into other files too; what has several
names is read once. Sums are exact, and all else is combined in a fixed order, so the figures
are the same, to the bit, on any number of workers. A worker holds one block of the data at a
time, or one chunk where a filter (compression) makes that larger. What a file does not hold of
a dataset has the fill value: it is counted, not read.
The table is as wide as the terminal, or as COLUMNS says.

Exit status: 0 all done (what holds no numbers is listed as skipped); 1 some inputs are missing or
damaged (each is named, the rest was done); 2 nothing could be done, no worker could be started for a
minute (what was not finished is named), the output cannot be written (an existing output must be a
regular file, and no input), or a wrong command line.)";

struct Arguments {
  ClusterOptions cluster;
  std::vector<std::string> inputs;
  std::string output;
  std::uint32_t bins = 50;
  bool json = false;
  bool raw = false;
};

std::string now_iso8601() {
  std::time_t const now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text.data();
}

stats::Origin origin(int argc, char** argv, Arguments const& arguments) {
  stats::Origin from;
  for (int i = 0; i < argc; ++i) {
    if (i > 0) from.command_line += ' ';
    from.command_line += argv[i];
  }
  from.host = host_name();
  passwd const* const user = ::getpwuid(::getuid());
  from.user = user != nullptr ? user->pw_name : std::to_string(::getuid());
  from.version = COHORT_VERSION;
  from.start_time = now_iso8601();
  from.inputs = arguments.inputs;
  return from;
}

/// What COLUMNS says, else the terminal's width, else 0: no limit.
std::size_t table_width() {
  if (char const* const columns = std::getenv("COLUMNS")) {
    if (int const width = std::atoi(columns); width > 0) return static_cast<std::size_t>(width);
  }
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/// Fills closed standard streams with /dev/null, so that no file of ours gets their numbers.
/// Returns whether stdout was open.
bool fill_standard_streams() {
  bool const open = ::fcntl(STDOUT_FILENO, F_GETFD) >= 0;
  for (int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) < 0) static_cast<void>(::open("/dev/null", O_RDWR));
  }
  return open;
}

int master(Cluster& cluster, Arguments const& arguments, stats::Origin const& from) {
  auto const report = stats::run_stats(cluster, arguments.inputs, arguments.bins, arguments.raw);
  // The file first: where it cannot be written, the figures are at least on the terminal.
  int failed = 0;
  if (!arguments.output.empty()) {
    try {
      stats::write_hdf5(arguments.output, report, from);
    } catch (std::exception const& error) {
      std::fprintf(stderr, "cohort-stats: %s\n", error.what());
      failed = 2;
    }
  }
  if (arguments.json) {
    stats::print_json(std::cout, report, from);
  } else {
    stats::print_table(std::cout, report, table_width());
  }
  std::cout.flush();
  if (!std::cout) {
    std::fprintf(stderr, "cohort-stats: cannot write to stdout\n");
    failed = 2;
  }
  if (report.out_of_workers) failed = 2;
  return std::max(failed, stats::exit_code(report.results, report.errors));
}

/// Throws std::runtime_error, one line, where the output is not one to write to.
void check_output(Arguments const& arguments) {
  if (arguments.output.empty()) return;
  std::vector<std::string> inputs;
  for (auto const& input : arguments.inputs) inputs.push_back(stats::split_argument(input).file);
  stats::check_output(arguments.output, inputs);
}

}  // namespace

int main(int argc, char** argv) {
  if (is_worker_process()) return run_worker(kTypes);
  if (!fill_standard_streams()) {
    std::fprintf(stderr, "cohort-stats: cannot write to stdout: it is closed\n");
    return 2;
  }
  Arguments arguments;
  CLI::App app(kDescription, "cohort-stats");
  app.footer(kFooter);
  add_cluster_options(app, arguments.cluster);
  app.add_option("--output", arguments.output, "also write the results to this HDF5 file");
  app.add_option("--bins", arguments.bins,
                 "bins of each histogram (default 50); 0: none, and each value is read once")
      ->check(CLI::Range(std::uint32_t{0}, kBinsAtMost));
  app.add_flag("--raw", arguments.raw,
               "the numbers as they are stored, whatever attributes say of them");
  app.add_flag("--json", arguments.json, "print JSON instead of the table");
  app.add_option("inputs", arguments.inputs,
                 "a file, for all its datasets, or FILE:/name for one dataset, one field of it\n"
                 "(FILE:/dataset.field) or all below a group")
      ->required()
      ->type_name("FILE[:/name]");
  app.set_version_flag("--version", "cohort-stats " COHORT_VERSION);
  try {
    arguments.cluster.settings = Settings::from_environment();
    app.parse(argc, argv);
    check_output(arguments);
  } catch (CLI::ParseError const& error) {
    return app.exit(error) == 0 ? 0 : 2;
  } catch (std::exception const& error) {
    std::fprintf(stderr, "cohort-stats: %s\n", error.what());
    return 2;
  }
  auto const from = origin(argc, argv, arguments);
  int code = 2;  // where not even the cluster can be made: run_master says why
  static_cast<void>(run_master(kTypes, arguments.cluster, [&](Cluster& cluster) {
    return code = master(cluster, arguments, from);
  }));
  return code;
}
