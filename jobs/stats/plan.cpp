#include "jobs/stats/plan.h"

#include <algorithm>
#include <utility>

namespace cohort::stats {
namespace {

std::uint64_t divide_up(std::uint64_t value, std::uint64_t by) { return (value + by - 1) / by; }

/// The tile that BlockPlan's contract asks for.
std::vector<std::uint64_t> tile_of(DatasetInfo const& info, BlockLimits const& limits) {
  std::uint64_t const size = element_size(info.kind);
  std::uint64_t const target = std::max<std::uint64_t>(1, limits.target / size);
  if (info.chunk.empty()) return choose_tile(info.shape, {}, target);
  std::uint64_t chunk = 1;
  for (std::uint64_t const extent : info.chunk) chunk *= extent;
  bool const cut = chunk * size > limits.chunk && !info.filtered;
  return choose_tile(info.shape, cut ? std::vector<std::uint64_t>{} : info.chunk, target);
}

}  // namespace

Tiling::Tiling(std::vector<std::uint64_t> shape, std::vector<std::uint64_t> tile)
    : shape_(std::move(shape)), tile_(std::move(tile)) {
  for (std::size_t k = 0; k < shape_.size(); ++k) size_ *= divide_up(shape_[k], tile_[k]);
}

void Tiling::locate(std::uint64_t index, std::vector<std::uint64_t>& first,
                    std::vector<std::uint64_t>& count) const {
  first.resize(shape_.size());
  count.resize(shape_.size());
  for (std::size_t k = shape_.size(); k-- > 0;) {
    std::uint64_t const tiles = divide_up(shape_[k], tile_[k]);
    first[k] = index % tiles * tile_[k];
    count[k] = std::min(tile_[k], shape_[k] - first[k]);
    index /= tiles;
  }
}

std::vector<std::uint64_t> choose_tile(std::vector<std::uint64_t> const& shape,
                                       std::vector<std::uint64_t> const& unit,
                                       std::uint64_t limit) {
  std::vector<std::uint64_t> tile(shape.size(), 1);
  std::uint64_t volume = 1;
  for (std::size_t k = 0; k < shape.size(); ++k) {
    if (!unit.empty())
      tile[k] = std::clamp<std::uint64_t>(unit[k], 1, std::max<std::uint64_t>(shape[k], 1));
    volume *= tile[k];
  }
  for (std::size_t k = shape.size(); k-- > 0;) {
    std::uint64_t const units = divide_up(shape[k], tile[k]);
    std::uint64_t const fit = limit / volume;
    if (units <= 1) continue;
    if (fit <= 1) break;
    // Equal parts, so that no small rest is left over.
    std::uint64_t const parts = divide_up(units, fit);
    std::uint64_t const each = divide_up(units, parts);
    tile[k] *= each;
    volume *= each;
    if (parts > 1) break;
  }
  return tile;
}

BlockPlan::BlockPlan(DatasetInfo const& info, BlockLimits limits)
    : file_(info.file),
      dataset_(info.dataset),
      kind_(info.kind),
      tiling_(info.shape, tile_of(info, limits)) {}

Block BlockPlan::operator[](std::uint64_t index) const {
  Block block{file_, dataset_, kind_, {}, {}};
  tiling_.locate(index, block.first, block.count);
  return block;
}

}  // namespace cohort::stats
