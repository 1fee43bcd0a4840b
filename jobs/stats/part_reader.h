// Reads one numeric part of a dataset whose elements are more than one number each: a field of
// compounds, arrays, bitfields, variable lengths. HDF5 converts each element.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "jobs/stats/hdf5_handle.h"
#include "jobs/stats/piece_buffer.h"
#include "jobs/stats/plan.h"

namespace cohort::stats {

class PartReader {
 public:
  /// Of the block's dataset and field; `piece_limit` in bytes bounds the buffers, as far as one
  /// element stays below it.
  PartReader(hid_t file, Block const& block, std::uint64_t piece_limit);

  /// The numbers of all elements of the block, in their order. Throws std::runtime_error, one line.
  void read(Block const& block, Scan const& scan);

 private:
  std::uint64_t piece_limit_;
  DatasetHandle dataset_;
  TypeHandle memory_type_;
  std::size_t element_bytes_;          // in memory
  std::vector<std::uint64_t> buffer_;  // words: aligned for every kind
  std::vector<std::byte> numbers_;     // of elements of variable length

  void read_fixed(Block const& block, Scan const& scan);
  void read_variable(Block const& block, Scan const& scan);
  void read_unstored(Block const& block, Scan const& scan);
  void read_box(std::vector<std::uint64_t> const& first, std::vector<std::uint64_t> const& count);
};

}  // namespace cohort::stats
