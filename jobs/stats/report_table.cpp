#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

#include "jobs/stats/report.h"
#include "jobs/stats/stats_job.h"
#include "jobs/stats/text.h"

namespace cohort::stats {
namespace {

constexpr std::size_t kSparkCells = 25;
constexpr std::size_t kFewestCells = 8;   // of a column; a narrower terminal gets none
constexpr std::size_t kLongestName = 34;  // longer names have a line of their own
constexpr std::size_t kNarrowest = 20;
constexpr std::size_t kFigures = 7;

struct Row {
  Summary const* summary;
  std::string name;
  std::array<std::string, kFigures> figures;
};
constexpr std::array<std::string_view, kFigures> kHeadings{"count", "nonfinite", "masked", "min",
                                                           "max",   "mean",      "std"};

Row to_row(Summary const& summary) {
  Row row{&summary, printable(summary.dataset), {}};
  if (!summary.same_as.empty()) return row;
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

std::string padded(std::string_view text, std::size_t width) {
  std::size_t const columns = columns_of(text);
  return fmt::format("{}{:{}}", text, "", width > columns ? width - columns : 0);
}

/// Lines of at most `width` columns (0: one line), each after `indent` blanks.
std::string wrapped(std::string_view text, std::size_t indent, std::size_t width) {
  std::string lines;
  do {
    std::size_t size = text.size();
    if (width > 0) {
      size = std::min(size, 4 * (width - indent));
      do {
        size = cut_text(text, size).size();
      } while (columns_of(text.substr(0, size)) > width - indent && size-- > 1);
    }
    lines += fmt::format("{:{}}{}\n", "", indent, text.substr(0, size));
    text.remove_prefix(size);
  } while (!text.empty());
  return lines;
}

/// The rows of one table: their columns, if they fit into the width.
class Layout {
 public:
  Layout(std::vector<Row> const& rows, std::size_t width) : width_(width) {
    for (std::size_t k = 0; k < kFigures; ++k) widths_[k] = kHeadings[k].size();
    for (Row const& row : rows) {
      std::size_t const name = columns_of(row.name);
      if (name <= kLongestName) name_width_ = std::max(name_width_, name);
      for (std::size_t k = 0; k < kFigures; ++k) {
        widths_[k] = std::max(widths_[k], row.figures[k].size());
      }
    }
    std::size_t used = 2 + name_width_;
    for (std::size_t const figure : widths_) used += 2 + figure;
    if (width_ == 0) return;
    columns_ = used <= width_;
    cells_ = used + 2 + kFewestCells <= width_ ? std::min(kSparkCells, width_ - used - 2) : 0;
  }

  [[nodiscard]] std::string heading() const {
    if (!columns_) return "";
    std::string line = "  " + padded("dataset", name_width_);
    for (std::size_t k = 0; k < kFigures; ++k) {
      line += fmt::format("  {:>{}}", kHeadings[k], widths_[k]);
    }
    if (cells_ > 0) line += cells_ < 9 ? "  histo" : "  histogram";
    return line + '\n';
  }

  [[nodiscard]] std::string line(Row const& row) const {
    bool const other_name = !row.summary->same_as.empty();
    std::string const same = "the same as " + printable(row.summary->same_as);
    if (!columns_) {
      return wrapped(row.name, 2, width_) + (other_name ? wrapped(same, 4, width_) : list(row));
    }
    bool const alone = columns_of(row.name) > kLongestName;
    std::string text = alone ? wrapped(row.name, 2, width_) : "";
    std::string const name = padded(alone ? "" : row.name, name_width_);
    if (other_name) {
      bool const fits = width_ == 0 || 4 + name_width_ + columns_of(same) <= width_;
      if (fits) return text + fmt::format("  {}  {}\n", name, same);
      return (alone ? text : wrapped(row.name, 2, width_)) + wrapped(same, 4, width_);
    }
    text += "  " + name;
    for (std::size_t k = 0; k < kFigures; ++k) {
      text += fmt::format("  {:>{}}", row.figures[k], widths_[k]);
    }
    if (cells_ > 0) text += "  " + sparkline(*row.summary, cells_);
    return text + '\n';
  }

 private:
  std::size_t width_;
  std::size_t name_width_ = 7;
  std::array<std::size_t, kFigures> widths_{};
  bool columns_ = true;
  std::size_t cells_ = kSparkCells;

  /// As many figures in a line as fit, each after its name.
  [[nodiscard]] std::string list(Row const& row) const {
    std::string text;
    std::string line;
    for (std::size_t k = 0; k < kFigures; ++k) {
      std::string const figure = fmt::format("{} {}", kHeadings[k], row.figures[k]);
      if (!line.empty() && 4 + line.size() + 2 + figure.size() > width_) {
        text += wrapped(line, 4, width_);
        line.clear();
      }
      line += line.empty() ? figure : "  " + figure;
    }
    text += wrapped(line, 4, width_);
    return text + wrapped(sparkline(*row.summary, std::min(kSparkCells, width_ - 4)), 4, width_);
  }
};

std::string place_of(std::string const& file, std::string const& dataset) {
  return printable(dataset.empty() ? file : file + ":" + dataset);
}

/// A line each, however long: these are for other programs to search, too.
std::string notes_of(Report const& report) {
  std::string text;
  for (Summary const& summary : report.results) {
    if (summary.packing.empty() || !summary.same_as.empty()) continue;
    text += fmt::format("{}: {}: {}\n", summary.raw ? "not applied" : "applied",
                        place_of(summary.file, summary.dataset), printable(summary.packing));
  }
  for (StatsError const& error : report.errors) {
    text +=
        fmt::format("error: {}: {}\n", place_of(error.file, error.dataset), printable(error.error));
  }
  for (Skipped const& skipped : report.skipped) {
    text += fmt::format("skipped: {}: {}\n", place_of(skipped.file, skipped.dataset),
                        printable(skipped.reason));
  }
  return text;
}

}  // namespace

void print_table(std::ostream& out, Report const& report, std::size_t width) {
  if (width > 0) width = std::max(width, kNarrowest);
  std::vector<Row> rows;
  for (Summary const& summary : report.results) rows.push_back(to_row(summary));
  Layout const layout(rows, width);
  std::string text;
  std::string const* file = nullptr;
  for (Row const& row : rows) {
    if (file == nullptr || *file != row.summary->file) {
      if (file != nullptr) text += '\n';
      file = &row.summary->file;
      text += wrapped(printable(*file), 0, width) + layout.heading();
    }
    text += layout.line(row);
  }
  std::string const notes = notes_of(report);
  if (!rows.empty() && !notes.empty()) text += '\n';
  text += notes;
  out << text;
}

}  // namespace cohort::stats
