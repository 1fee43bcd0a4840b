// How a dataset is cut into blocks, each the work of one call. A plan is computed, not stored: a
// dataset of any size costs a few words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "jobs/stats/discovery.h"
#include "jobs/stats/number.h"

namespace cohort::stats {

/// A box of elements in a dataset: the work of one call. `first` and `count` have one entry for
/// each dimension, slowest first; both are empty for a scalar.
struct Block {
  std::string file;
  std::string dataset;
  ElementKind kind = ElementKind::kDouble;
  std::vector<std::uint64_t> first;
  std::vector<std::uint64_t> count;
  std::uint64_t unstored = 0;  ///< elements beside the box that the file does not hold
  Packing packing = {};
  Access access = Access::kNumbers;
  std::vector<std::string> field = {};  ///< as in DatasetInfo

  bool operator==(Block const&) const = default;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    auto kind_byte = static_cast<std::uint8_t>(kind);
    auto access_byte = static_cast<std::uint8_t>(access);
    archive& file& dataset& kind_byte& first& count& unstored& packing& access_byte& field;
    kind = static_cast<ElementKind>(kind_byte);
    access = static_cast<Access>(access_byte);
  }
};

/// A box cut into equal tiles, the last of each dimension being smaller where they do not divide
/// it. Tiles are numbered with the fastest dimension first.
class Tiling {
 public:
  /// Both have the same length; the tile has no zero.
  Tiling(std::vector<std::uint64_t> shape, std::vector<std::uint64_t> tile);

  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  [[nodiscard]] std::vector<std::uint64_t> const& shape() const noexcept { return shape_; }
  [[nodiscard]] std::vector<std::uint64_t> const& tile() const noexcept { return tile_; }
  /// Fills the tile's corner and extent; `index` < size().
  void locate(std::uint64_t index, std::vector<std::uint64_t>& first,
              std::vector<std::uint64_t>& count) const;

 private:
  std::vector<std::uint64_t> shape_;
  std::vector<std::uint64_t> tile_;
  std::uint64_t size_ = 1;
};

/// The largest tile of at most `limit` (>= 1) elements that is as long as can be along the fastest
/// dimensions, and a multiple of `unit` in every dimension (empty: of one element). It is `unit`,
/// cut to the shape, where that alone exceeds the limit.
[[nodiscard]] std::vector<std::uint64_t> choose_tile(std::vector<std::uint64_t> const& shape,
                                                     std::vector<std::uint64_t> const& unit,
                                                     std::uint64_t limit);

/// Sizes in bytes of memory, after conversion to the ElementKind.
struct BlockLimits {
  std::uint64_t target = 4 << 20;  ///< blocks grow up to this
  std::uint64_t chunk = 8 << 20;   ///< a chunk up to this stays whole in one block
};

/// The blocks of one dataset; none when it has no elements.
/// Blocks are whole chunks. A chunk above `limits.chunk` is cut where its bytes can be read
/// singly (no filters); a filtered one stays one block, since it must be decoded as a whole: its
/// reader needs the chunk's size and that of its bytes in the file meanwhile.
/// Where the file holds few of the chunks, each of them is a block, and all other elements are one
/// more, which costs the same however many they are.
class BlockPlan {
 public:
  explicit BlockPlan(DatasetInfo const& info, BlockLimits limits = {});

  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  [[nodiscard]] Block operator[](std::uint64_t index) const;
  [[nodiscard]] std::vector<std::uint64_t> const& tile() const noexcept { return tiling_.tile(); }

 private:
  Block block_;  // all but its place
  Tiling tiling_;
  std::uint64_t size_;
  std::uint64_t elements_;
  std::optional<std::vector<std::uint64_t>> stored_chunks_;  // as in DatasetInfo

  [[nodiscard]] Block sparse_block(std::uint64_t index) const;
};

}  // namespace cohort::stats
