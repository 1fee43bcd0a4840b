// Reads the elements of blocks, piece by piece. A worker keeps one, so that the file and dataset
// of its last block stay open; it belongs to one thread, the only one that uses HDF5.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "jobs/stats/hdf5_handle.h"
#include "jobs/stats/number.h"
#include "jobs/stats/plan.h"

namespace cohort::stats {

class BlockReader {
 public:
  /// `piece_limit` in bytes bounds the buffer. Only a filtered chunk above it makes HDF5 hold more:
  /// about twice the chunk while it is decoded, and once until another dataset is opened.
  explicit BlockReader(std::uint64_t piece_limit = 8 << 20) : piece_limit_(piece_limit) {}

  /// Calls `scan` with the elements, in order of the pieces. They are valid during that call.
  /// Throws std::runtime_error, one line, when they cannot be read.
  void for_each_piece(Block const& block, std::function<void(Elements)> const& scan);

  /// Closes what stayed open, and frees the memory. The next block opens its file anew.
  void close() noexcept;

 private:
  std::uint64_t piece_limit_;
  std::string file_name_;
  std::string dataset_name_;
  FileHandle file_;
  DatasetHandle dataset_;
  std::vector<std::uint64_t> buffer_;  // words: aligned for every kind

  void open(Block const& block);
  Elements read(ElementKind kind, std::vector<std::uint64_t> const& first,
                std::vector<std::uint64_t> const& count);
};

}  // namespace cohort::stats
