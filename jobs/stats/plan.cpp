#include "jobs/stats/plan.h"

#include <algorithm>
#include <utility>

namespace cohort::stats {
namespace {

std::uint64_t divide_up(std::uint64_t value, std::uint64_t by) {
  return value / by + (value % by != 0 ? 1 : 0);
}

std::uint64_t product_of(std::vector<std::uint64_t> const& factors) {
  std::uint64_t product = 1;
  for (std::uint64_t const factor : factors) product *= factor;
  return product;
}

/// The tile that BlockPlan's contract asks for.
std::vector<std::uint64_t> tile_of(DatasetInfo const& info, BlockLimits const& limits) {
  std::uint64_t const size = element_size(info.kind) * info.per_element;
  std::uint64_t const target = std::max<std::uint64_t>(1, limits.target / size);
  if (info.chunk.empty()) return choose_tile(info.shape, {}, target);
  std::uint64_t chunk = 1;
  for (std::uint64_t const extent : info.chunk) chunk *= extent;
  bool const cut = chunk * size > limits.chunk && !info.filtered;
  return choose_tile(info.shape, cut ? std::vector<std::uint64_t>{} : info.chunk, target);
}

/// One chunk; all where nothing is stored.
std::vector<std::uint64_t> sparse_tile(DatasetInfo const& info) {
  std::vector<std::uint64_t> tile = info.chunk.empty() ? info.shape : info.chunk;
  for (std::uint64_t& extent : tile) extent = std::max<std::uint64_t>(extent, 1);
  return tile;
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
    : block_{.file = info.real_file.empty() ? info.file : info.real_file,
             .dataset = info.real_path.empty() ? info.dataset : info.real_path,
             .kind = info.kind,
             .first = {},
             .count = {},
             .packing = info.packing,
             .access = info.access,
             .field = info.field},
      tiling_(info.shape, info.stored_chunks ? sparse_tile(info) : tile_of(info, limits)),
      size_(tiling_.size()),
      elements_(product_of(info.shape)),
      stored_chunks_(info.stored_chunks) {
  if (!stored_chunks_ || elements_ == 0) return;
  size_ = 1 + (info.shape.empty() ? 0 : stored_chunks_->size() / info.shape.size());
}

Block BlockPlan::operator[](std::uint64_t index) const {
  if (stored_chunks_) return sparse_block(index);
  Block block = block_;
  tiling_.locate(index, block.first, block.count);
  return block;
}

Block BlockPlan::sparse_block(std::uint64_t index) const {
  std::vector<std::uint64_t> const& shape = tiling_.shape();
  std::vector<std::uint64_t> const none(shape.size(), 0);
  Block block = block_;
  block.first = block.count = none;
  auto const place = [&](std::uint64_t chunk) {
    for (std::size_t k = 0; k < shape.size(); ++k) {
      block.first[k] = (*stored_chunks_)[chunk * shape.size() + k];
      block.count[k] = std::min(tiling_.tile()[k], shape[k] - block.first[k]);
    }
  };
  if (index < size_ - 1) {
    place(index);
    return block;
  }
  block.unstored = elements_;
  for (std::uint64_t chunk = 0; chunk + 1 < size_; ++chunk) {
    place(chunk);
    block.unstored -= product_of(block.count);
  }
  block.first = block.count = none;
  return block;
}

}  // namespace cohort::stats
