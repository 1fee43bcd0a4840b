#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <type_traits>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "jobs/stats/netcdf_writer.h"
#include "jobs/stats/report.h"
#include "jobs/stats/stats_job.h"
#include "jobs/stats/whole_file.h"

namespace cohort::stats {
namespace {

/// One member of each item, in order.
template <class Items, class Get>
auto column(Items const& items, Get const& get) {
  std::vector<std::decay_t<decltype(get(items.front()))>> values;
  values.reserve(items.size());
  for (auto const& item : items) values.push_back(get(item));
  return values;
}

/// Units under which no tool takes the figures for something else. xarray turns what has the units
/// "seconds", "days", … into whole nanoseconds, and "days since …" into dates.
std::optional<std::string> safe_units(std::string const& units) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kTimes{
      {{"days", "d"},
       {"hours", "h"},
       {"minutes", "min"},
       {"seconds", "s"},
       {"milliseconds", "ms"},
       {"microseconds", "us"},
       {"nanoseconds", "ns"}}};
  for (auto const& [word, symbol] : kTimes) {
    if (units == word) return std::string(symbol);
  }
  if (units.empty() || units.find("since") != std::string::npos) return std::nullopt;
  return units;
}

/// Results side by side: what the writers of each variable share.
struct Table {
  NetcdfWriter& to;
  NetcdfDimension const& axis;
  std::vector<Summary> const& results;
  std::optional<std::string> units;  ///< which all datasets share, if they do

  template <class Get>
  void texts(hid_t group, char const* name, char const* long_name, Get const& get) const {
    to.write_texts(group, {name, long_name, std::nullopt}, axis, column(results, get));
  }
  template <class Get>
  void counts(char const* name, char const* long_name, Get const& get) const {
    to.write(to.root(), {name, long_name, "1"}, {&axis}, H5T_NATIVE_UINT64,
             column(results, get).data());
  }
  /// NaN where there are no finite values.
  template <class Get>
  void figure(char const* name, char const* long_name, Get const& get) const {
    auto const values = column(results, [&](Summary const& summary) -> double {
      return summary.count > 0 ? get(summary) : std::numeric_limits<double>::quiet_NaN();
    });
    to.write(to.root(), {name, long_name, units}, {&axis}, H5T_NATIVE_DOUBLE, values.data());
  }
  /// A bound of the datasets whose elements are of that kind, exactly; 0 for the others.
  template <class Integer, class Get>
  void integer(char const* name, char const* long_name, hid_t type, Get const& get) const {
    auto const values = column(results, [&](Summary const& summary) -> Integer {
      Number const number = get(summary);
      bool const is_of_kind = summary.count > 0 && number.kind() == Number(Integer{}).kind();
      return is_of_kind ? static_cast<Integer>(number.as_uint64()) : 0;
    });
    to.write(to.root(), {name, long_name, units}, {&axis}, type, values.data());
  }
};

/// The units of all datasets, where they have the same.
std::optional<std::string> common_units(std::vector<Summary> const& results) {
  std::string const& units = results.front().units;
  bool const common = std::all_of(results.begin(), results.end(),
                                  [&](Summary const& summary) { return summary.units == units; });
  return common ? safe_units(units) : std::nullopt;
}

void write_names(Table const& table, hid_t group) {
  table.texts(group, "file", "name of the file", [](Summary const& s) { return s.file; });
  table.texts(group, "path", "path of the dataset in its file, with its field",
              [](Summary const& s) { return s.dataset; });
  table.texts(group, "source_units", "units attribute of the dataset",
              [](Summary const& s) { return s.units; });
  table.texts(group, "applied", "attributes that were applied to the numbers",
              [](Summary const& s) { return s.raw ? std::string() : s.packing; });
  table.texts(group, "not_applied", "attributes that were not: the numbers are raw",
              [](Summary const& s) { return s.raw ? s.packing : std::string(); });
  table.texts(group, "source_type", "type of the dataset's elements",
              [](Summary const& s) { return s.type; });
  table.texts(group, "source_shape", "shape of the dataset, slowest dimension first",
              [](Summary const& s) { return fmt::format("{}", fmt::join(s.shape, " ")); });
  table.texts(group, "same_as", "other name of the dataset, under which it was read",
              [](Summary const& s) { return s.same_as; });
}

void write_figures(Table const& table) {
  table.counts("count", "number of finite values", [](Summary const& s) { return s.count; });
  table.counts("nonfinite", "number of values that are NaN or infinite",
               [](Summary const& s) { return s.nonfinite; });
  table.counts("masked", "number of values left out, as attributes ask",
               [](Summary const& s) { return s.masked; });
  table.figure("min", "smallest finite value, as float64",
               [](Summary const& s) { return s.min.to_double(); });
  table.figure("max", "largest finite value, as float64",
               [](Summary const& s) { return s.max.to_double(); });
  table.figure("mean", "mean of the finite values", [](Summary const& s) { return s.mean; });
  table.figure("std", "population standard deviation of the finite values",
               [](Summary const& s) { return s.std_dev; });
}

/// Which of the words in write_exact_extremes().
signed char extremes_kind(Summary const& summary) {
  if (summary.count == 0) return 0;
  switch (summary.min.kind()) {
    case ElementKind::kInt64:
      return 2;
    case ElementKind::kUint64:
      return 3;
    default:
      return 1;
  }
}

void write_exact_extremes(Table const& table) {
  auto const min = [](Summary const& s) { return s.min; };
  auto const max = [](Summary const& s) { return s.max; };
  auto const kinds = column(table.results, extremes_kind);
  table.to.write(table.to.root(),
                 {"extremes_kind",
                  "where the exact min and max are: float64: in min and max; int64: in min_int64 "
                  "and max_int64; uint64: in min_uint64 and max_uint64",
                  std::nullopt,
                  {"none", "float64", "int64", "uint64"}},
                 {&table.axis}, H5T_NATIVE_SCHAR, kinds.data());
  table.integer<std::int64_t>("min_int64", "smallest value of signed integers, exactly",
                              H5T_NATIVE_INT64, min);
  table.integer<std::int64_t>("max_int64", "largest value of signed integers, exactly",
                              H5T_NATIVE_INT64, max);
  table.integer<std::uint64_t>("min_uint64", "smallest value of unsigned integers, exactly",
                               H5T_NATIVE_UINT64, min);
  table.integer<std::uint64_t>("max_uint64", "largest value of unsigned integers, exactly",
                               H5T_NATIVE_UINT64, max);
}

void write_histograms(Table const& table) {
  std::size_t const bins = table.results.front().counts.size();
  NetcdfWriter& to = table.to;
  NetcdfDimension const bin = to.make_dimension(to.root(), "bin", bins);
  NetcdfDimension const edge = to.make_dimension(to.root(), "edge", bins + 1);
  std::vector<std::uint64_t> counts;
  std::vector<double> edges;
  for (Summary const& summary : table.results) {
    counts.insert(counts.end(), summary.counts.begin(), summary.counts.end());
    edges.insert(edges.end(), summary.edges.begin(), summary.edges.end());
  }
  if (counts.size() != table.results.size() * bins ||
      edges.size() != table.results.size() * (bins + 1)) {
    throw std::runtime_error("the results differ in their number of bins");
  }
  to.write(to.root(), {"histogram_counts", "number of finite values in each bin", "1"},
           {&table.axis, &bin}, H5T_NATIVE_UINT64, counts.data());
  to.write(to.root(), {"histogram_edges", "edges of the histogram's bins", table.units},
           {&table.axis, &edge}, H5T_NATIVE_DOUBLE, edges.data());
}

void write_errors(NetcdfWriter& to, hid_t group, std::vector<StatsError> const& errors) {
  if (errors.empty()) return;
  NetcdfDimension const axis = to.make_dimension(group, "error", errors.size());
  auto const texts = [&](char const* name, char const* long_name, auto const& get) {
    to.write_texts(group, {name, long_name, std::nullopt}, axis, column(errors, get));
  };
  texts("error_file", "file of the failure", [](StatsError const& e) { return e.file; });
  texts("error_path", "dataset of the failure, empty for the file",
        [](StatsError const& e) { return e.dataset; });
  texts("error_text", "what failed", [](StatsError const& e) { return e.error; });
}

void write_skipped(NetcdfWriter& to, hid_t group, std::vector<Skipped> const& skipped) {
  if (skipped.empty()) return;
  NetcdfDimension const axis = to.make_dimension(group, "skipped", skipped.size());
  auto const texts = [&](char const* name, char const* long_name, auto const& get) {
    to.write_texts(group, {name, long_name, std::nullopt}, axis, column(skipped, get));
  };
  texts("skipped_file", "file of what holds no numbers", [](Skipped const& s) { return s.file; });
  texts("skipped_path", "what holds no numbers, empty for the file",
        [](Skipped const& s) { return s.dataset; });
  texts("skipped_reason", "what it holds", [](Skipped const& s) { return s.reason; });
}

void write_origin(hid_t file, Origin const& origin) {
  NetcdfWriter::set_attribute(file, "Conventions", "CF-1.8");
  NetcdfWriter::set_attribute(file, "title", origin.title);
  NetcdfWriter::set_attribute(file, "history", origin.start_time + ": " + origin.command_line);
  NetcdfWriter::set_attribute(file, "command_line", origin.command_line);
  NetcdfWriter::set_attribute(file, "cohort_version", origin.version);
  NetcdfWriter::set_attribute(file, "host", origin.host);
  NetcdfWriter::set_attribute(file, "user", origin.user);
  NetcdfWriter::set_attribute(file, "start_time", origin.start_time);
  NetcdfWriter::set_attribute(file, "hdf5_version", hdf5_version());
  NetcdfWriter::set_attribute(file, "inputs", fmt::format("{}", fmt::join(origin.inputs, "\n")));
}

}  // namespace

void write_hdf5(std::string const& path, Report const& report, Origin const& origin) {
  silence_hdf5();
  NetcdfWriter to;
  write_origin(to.root(), origin);
  GroupHandle const texts = to.make_group("zz_cohort");
  if (!report.results.empty()) {
    NetcdfDimension const axis = to.make_dimension(to.root(), "dataset", report.results.size());
    Table const table{to, axis, report.results, common_units(report.results)};
    write_figures(table);
    write_exact_extremes(table);
    if (!report.results.front().counts.empty()) write_histograms(table);
    write_names(table, texts.get());
  }
  write_errors(to, texts.get(), report.errors);
  write_skipped(to, texts.get(), report.skipped);
  write_whole_file(path, to.image());
}

}  // namespace cohort::stats
