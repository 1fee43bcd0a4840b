// Decodes one stored chunk: the filters that nearly every file has, faster than HDF5 does it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <hdf5.h>

namespace cohort::stats {

using Bytes = std::vector<std::byte>;

/// A chunk whose filters are undone, save that its bytes may still be shuffled: the first bytes of
/// all elements, then all second bytes, ...
struct DecodedChunk {
  std::span<std::byte const> bytes;  ///< borrowed from the pipeline or the stored bytes
  bool shuffled = false;
};

/// Knows deflate (where libdeflate is built in), shuffle as the first filter, and fletcher32. HDF5
/// itself has to read datasets with any other filter, and chunks that this does not decode: it
/// then says what is wrong with them.
class ChunkPipeline {
 public:
  /// Of a dataset by its creation list; nothing where HDF5 has to read it.
  static std::optional<ChunkPipeline> of(hid_t creation, std::size_t element_size);

  /// Bit i of `skipped` says that filter i was not applied to this chunk. Nothing where the bytes
  /// are not what the filters made of `size` bytes.
  [[nodiscard]] std::optional<DecodedChunk> decode(std::span<std::byte const> stored,
                                                   std::uint32_t skipped, std::size_t size);

  /// Frees what the last chunk needed where that is more than `most` bytes.
  void shrink(std::size_t most);

 private:
  ChunkPipeline() = default;

  std::vector<H5Z_filter_t> filters_;  // in the order in which they were applied
  Bytes inflated_;
};

}  // namespace cohort::stats
