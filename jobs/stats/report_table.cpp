#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include <fmt/format.h>

#include "jobs/stats/report.h"

namespace cohort::stats {
namespace {

constexpr std::size_t kSparkCells = 20;
constexpr std::size_t kLongestName = 34;  // longer names have a line of their own
constexpr std::size_t kFigures = 7;

struct Row {
  std::string const* file;
  std::string name;
  std::array<std::string, kFigures> figures;
  std::string spark;
};
constexpr std::array<std::string_view, kFigures> kHeadings{"count", "nonfinite", "masked", "min",
                                                           "max",   "mean",      "std"};

/// A name or a text from a file, safe to print: control characters become '?'.
std::string printable(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; }, '?');
  return text;
}

/// One cell for every few bins, high for the mean count of them; only an empty cell is blank.
std::string sparkline(std::vector<std::uint64_t> const& counts) {
  static constexpr std::array<std::string_view, 9> kBlocks{" ", "▁", "▂", "▃", "▄",
                                                           "▅", "▆", "▇", "█"};
  std::size_t const cells = std::min(kSparkCells, counts.size());
  std::vector<double> heights(cells);
  for (std::size_t cell = 0; cell < cells; ++cell) {
    std::size_t const first = cell * counts.size() / cells;
    std::size_t const last = (cell + 1) * counts.size() / cells;
    for (std::size_t bin = first; bin < last; ++bin) {
      heights[cell] += static_cast<double>(counts[bin]) / static_cast<double>(last - first);
    }
  }
  double const top = heights.empty() ? 0 : *std::max_element(heights.begin(), heights.end());
  std::string line;
  for (double const height : heights) {
    line += kBlocks[height > 0 ? std::max<std::size_t>(
                                     1, static_cast<std::size_t>(std::lround(8 * (height / top))))
                               : 0];
  }
  return line;
}

Row to_row(Summary const& summary) {
  Row row{&summary.file, printable(summary.dataset), {}, sparkline(summary.counts)};
  row.figures = {fmt::format("{}", summary.count),
                 fmt::format("{}", summary.nonfinite),
                 fmt::format("{}", summary.masked),
                 "-",
                 "-",
                 "-",
                 "-"};
  if (summary.count == 0) return row;
  row.figures[3] = summary.min.to_string();
  row.figures[4] = summary.max.to_string();
  row.figures[5] = fmt::format("{:.7g}", summary.mean);
  row.figures[6] = fmt::format("{:.7g}", summary.std_dev);
  return row;
}

}  // namespace

void print_table(std::ostream& out, std::vector<Summary> const& results,
                 std::vector<StatsError> const& errors) {
  std::vector<Row> rows;
  std::size_t name_width = 7;
  std::array<std::size_t, kFigures> widths{};
  for (std::size_t k = 0; k < kFigures; ++k) widths[k] = kHeadings[k].size();
  for (Summary const& summary : results) {
    Row const& row = rows.emplace_back(to_row(summary));
    if (row.name.size() <= kLongestName) name_width = std::max(name_width, row.name.size());
    for (std::size_t k = 0; k < kFigures; ++k) {
      widths[k] = std::max(widths[k], row.figures[k].size());
    }
  }
  std::string text;
  std::string const* file = nullptr;
  for (Row const& row : rows) {
    if (file == nullptr || *file != *row.file) {
      text += fmt::format("{}{}\n  {:<{}}", file == nullptr ? "" : "\n", printable(*row.file),
                          "dataset", name_width);
      for (std::size_t k = 0; k < kFigures; ++k) {
        text += fmt::format("  {:>{}}", kHeadings[k], widths[k]);
      }
      text += "  histogram\n";
      file = row.file;
    }
    bool const alone = row.name.size() > kLongestName;
    if (alone) text += fmt::format("  {}\n", row.name);
    text += fmt::format("  {:<{}}", alone ? "" : row.name, name_width);
    for (std::size_t k = 0; k < kFigures; ++k) {
      text += fmt::format("  {:>{}}", row.figures[k], widths[k]);
    }
    text += fmt::format("  {}\n", row.spark);
  }
  bool noted = false;
  for (Summary const& summary : results) {
    if (summary.packing.empty()) continue;
    text += fmt::format("{}{}: {}:{}: {}\n", noted ? "" : "\n",
                        summary.raw ? "not applied" : "applied", printable(summary.file),
                        printable(summary.dataset), printable(summary.packing));
    noted = true;
  }
  if (!errors.empty() && !rows.empty()) text += '\n';
  for (StatsError const& error : errors) {
    std::string const place = error.dataset.empty() ? error.file : error.file + ":" + error.dataset;
    text += fmt::format("error: {}: {}\n", printable(place), printable(error.error));
  }
  out << text;
}

}  // namespace cohort::stats
