#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <vector>

#include "jobs/stats/report.h"

namespace cohort::stats {
namespace {

/// As many cells as there may be, of equally many bins each; where only a few such would fit, the
/// cells are parts of the range of one width.
std::size_t choose_cells(std::size_t bins, std::size_t most) {
  if (bins <= most) return bins;
  std::size_t divisor = most;
  while (bins % divisor != 0) --divisor;
  return 2 * divisor >= most ? divisor : most;
}

/// Counts of each cell in units of 1/bins: a bin that two cells share is shared out by its overlap.
std::vector<double> sums(std::vector<std::uint64_t> const& counts, std::size_t cells) {
  std::vector<double> heights(cells);
  std::size_t const bins = counts.size();
  for (std::size_t bin = 0; bin < bins; ++bin) {
    for (std::size_t at = bin * cells; at < (bin + 1) * cells;) {
      std::size_t const cell = at / bins;
      std::size_t const end = std::min((bin + 1) * cells, (cell + 1) * bins);
      heights[cell] += static_cast<double>(counts[bin]) * static_cast<double>(end - at);
      at = end;
    }
  }
  return heights;
}

/// Where a cell begins, on the axis of the values.
double edge_of(std::vector<double> const& edges, std::size_t cell, std::size_t cells) {
  std::size_t const bins = edges.size() - 1;
  std::size_t const whole = cell * bins / cells;
  double const part = static_cast<double>(cell * bins % cells) / static_cast<double>(cells);
  return part == 0 ? edges[whole] : edges[whole] + part * (edges[whole + 1] - edges[whole]);
}

/// How many integers a cell can hold: cells of one width differ by one.
double integers_in(std::vector<double> const& edges, std::size_t cell, std::size_t cells) {
  double const from = std::ceil(edge_of(edges, cell, cells));
  double const to = edge_of(edges, cell + 1, cells);
  return cell + 1 == cells ? std::floor(to) - from + 1 : std::ceil(to) - from;
}

}  // namespace

std::string sparkline(Summary const& summary, std::size_t cells_at_most) {
  static constexpr std::array<std::string_view, 9> kBlocks{" ", "▁", "▂", "▃", "▄",
                                                           "▅", "▆", "▇", "█"};
  std::size_t const bins = summary.counts.size();
  if (bins == 0 || cells_at_most == 0) return "";
  std::size_t const cells = choose_cells(bins, cells_at_most);
  auto heights = sums(summary.counts, cells);
  bool const integers = summary.count > 0 && summary.min.kind() != ElementKind::kDouble &&
                        summary.edges.size() == bins + 1;
  for (std::size_t cell = 0; integers && cell < cells; ++cell) {
    heights[cell] /= std::max(1.0, integers_in(summary.edges, cell, cells));
  }
  double const top = *std::max_element(heights.begin(), heights.end());
  std::string line;
  for (double const height : heights) {
    // Only an empty cell is blank.
    auto const level = height > 0 ? std::max(1L, std::lround(8 * (height / top))) : 0L;
    line += kBlocks[static_cast<std::size_t>(level)];
  }
  return line;
}

}  // namespace cohort::stats
