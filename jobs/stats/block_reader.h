// Reads the elements of blocks, piece by piece. A worker keeps one, so that the file and dataset
// of its last block stay open; it belongs to one thread, the only one that uses HDF5.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "jobs/stats/classic_reader.h"
#include "jobs/stats/dataset_reader.h"
#include "jobs/stats/hdf5_handle.h"
#include "jobs/stats/part_reader.h"
#include "jobs/stats/plan.h"

namespace cohort::stats {

class BlockReader {
 public:
  /// `piece_limit` in bytes bounds the buffers. Only a filtered chunk above it needs more: its
  /// bytes in the file and once what they decode to; about twice the latter where HDF5 decodes it.
  explicit BlockReader(std::uint64_t piece_limit = 8 << 20) : piece_limit_(piece_limit) {}

  /// Calls `scan` with the elements, in the order of the pieces. They are valid during that call.
  /// Throws std::runtime_error, one line, when they cannot be read.
  void for_each_piece(Block const& block, Scan const& scan);

  /// Closes what stayed open, and frees the memory. The next block opens its file anew.
  void close() noexcept;

  /// Of the dataset that is open.
  [[nodiscard]] ChunkCounts chunk_counts() const {
    return dataset_ ? dataset_->counts() : ChunkCounts{};
  }

 private:
  std::uint64_t piece_limit_;
  std::string file_name_;
  std::string dataset_name_;
  FileHandle file_;
  std::optional<DatasetReader> dataset_;
  std::optional<PartReader> part_;  // of dataset_name_ and field_, in place of dataset_
  std::vector<std::string> field_;
  ClassicReader classic_;

  void read_part(Block const& block, Scan const& scan);
};

}  // namespace cohort::stats
