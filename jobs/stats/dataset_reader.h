// Reads boxes of elements of one open dataset. Chunks are looked up one by one: each is read and
// decoded once, and those that the file does not hold are counted, not read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "jobs/stats/chunk_pipeline.h"
#include "jobs/stats/hdf5_handle.h"
#include "jobs/stats/number.h"
#include "jobs/stats/piece_buffer.h"

namespace cohort::stats {

using Extents = std::vector<std::uint64_t>;

/// How often chunks were decoded, by whom; for tests and benchmarks.
struct ChunkCounts {
  std::uint64_t own = 0;
  std::uint64_t by_hdf5 = 0;
  std::uint64_t unstored = 0;
};

class DatasetReader {
 public:
  /// `piece_limit` in bytes bounds the buffer of what HDF5 reads.
  DatasetReader(hid_t file, std::string const& name, ElementKind kind, std::uint64_t piece_limit);

  /// Every element of the box once. The order of the pieces is the same everywhere.
  void read(Extents const& first, Extents const& count, Scan const& scan);
  /// Elements that the file does not hold: they have the fill value.
  void read_unstored(std::uint64_t count, Scan const& scan);

  [[nodiscard]] ChunkCounts const& counts() const noexcept { return counts_; }

 private:
  /// A box of whole chunks or parts of them: what one chunk has of it.
  struct ChunkBox {
    Extents corner;  // of the chunk
    Extents first;   // of the box
    Extents count;
    bool whole = false;  // the chunk has no other elements
  };

  ElementKind kind_;
  std::uint64_t piece_limit_;
  DatasetHandle dataset_;
  TypeHandle file_type_;
  TypeHandle memory_type_;
  Extents shape_;
  Extents chunk_;  // empty unless its storage is chunked
  std::uint64_t chunk_bytes_ = 0;
  bool filtered_ = false;
  bool stored_ = true;  // false where the file has nothing of it
  std::optional<ChunkPipeline> pipeline_;
  std::vector<std::uint64_t> fill_;  // one element in memory
  PieceBuffer pieces_;
  Bytes stored_bytes_;
  std::vector<std::uint64_t> buffer_;
  ChunkCounts counts_;

  void read_chunks(Extents const& first, Extents const& count, Scan const& scan);
  void read_by_hdf5(Extents const& first, Extents const& count, Scan const& scan);
  [[nodiscard]] bool read_chunk(ChunkBox const& box, std::uint64_t size, Scan const& scan);
};

}  // namespace cohort::stats
