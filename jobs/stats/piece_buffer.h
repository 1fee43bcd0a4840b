// Collects elements as the file stores them, and hands them out as the scans know them: in pieces
// that stay in the second-level cache, however small or large the chunks are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include <hdf5.h>

#include "jobs/stats/chunk_pipeline.h"
#include "jobs/stats/number.h"

namespace cohort::stats {

/// Takes elements, each of which occurs `times` times. They are valid during the call.
using Scan = std::function<void(Elements elements, std::uint64_t times)>;

/// Elements at `data`, which is aligned for them.
[[nodiscard]] Elements view(ElementKind kind, void const* data, std::size_t size);

class PieceBuffer {
 public:
  /// The types, which must stay open, are those of one element in the file and in memory.
  PieceBuffer(hid_t file_type, hid_t memory_type, ElementKind kind);

  /// Elements first to first + count - 1 of a chunk. Calls `scan` whenever the buffer is full.
  void append(DecodedChunk const& chunk, std::size_t first, std::size_t count, Scan const& scan);
  /// What is left.
  void flush(Scan const& scan);

 private:
  hid_t file_type_;
  hid_t memory_type_;
  ElementKind kind_;
  std::size_t file_size_;
  bool convert_;
  std::size_t filled_ = 0;
  std::vector<std::uint64_t> words_;  // words: aligned for every kind
};

}  // namespace cohort::stats
