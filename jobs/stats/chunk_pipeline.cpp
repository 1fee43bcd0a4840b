#include "jobs/stats/chunk_pipeline.h"

#include <algorithm>
#include <array>
#include <cstring>

#ifdef COHORT_HAVE_LIBDEFLATE
#include <libdeflate.h>
#endif

#include "jobs/stats/hdf5_handle.h"

namespace cohort::stats {
namespace {

#ifdef COHORT_HAVE_LIBDEFLATE
constexpr bool kInflates = true;

/// The inflated bytes' number; nothing where they are not a whole zlib stream or do not fit.
std::optional<std::size_t> inflate(std::span<std::byte const> stored, Bytes& into) {
  struct Free {
    void operator()(libdeflate_decompressor* one) const { libdeflate_free_decompressor(one); }
  };
  static thread_local std::unique_ptr<libdeflate_decompressor, Free> const decompressor(
      libdeflate_alloc_decompressor());
  std::size_t size = 0;
  if (!decompressor ||
      libdeflate_zlib_decompress(decompressor.get(), stored.data(), stored.size(), into.data(),
                                 into.size(), &size) != LIBDEFLATE_SUCCESS) {
    return std::nullopt;
  }
  return size;
}
#else
constexpr bool kInflates = false;

std::optional<std::size_t> inflate(std::span<std::byte const>, Bytes&) { return std::nullopt; }
#endif

constexpr std::size_t kChecksumSize = 4;

/// HDF5's Fletcher-32: over big-endian words of 16 bits; a last odd byte is a word's high one.
std::uint32_t fletcher32(std::span<std::byte const> bytes) noexcept {
  std::uint64_t first = 0;
  std::uint64_t second = 0;
  std::size_t i = 0;
  while (i + 1 < bytes.size()) {
    // 2^16 words keep the second sum below 2^48 * some thousands: far from 2^64.
    std::size_t const end = std::min(bytes.size() - 1, i + (std::size_t{1} << 17));
    for (; i < end; i += 2) {
      first += static_cast<std::uint64_t>(bytes[i]) << 8 | static_cast<std::uint64_t>(bytes[i + 1]);
      second += first;
    }
    first %= 65535;
    second %= 65535;
  }
  if (i < bytes.size()) {
    first = (first + (static_cast<std::uint64_t>(bytes[i]) << 8)) % 65535;
    second = (second + first) % 65535;
  }
  // HDF5 folds instead of dividing, which leaves 65535 where a sum is a multiple of it, save for 0.
  bool const empty = first == 0 && second == 0;
  if (!empty && first == 0) first = 65535;
  if (!empty && second == 0) second = 65535;
  return static_cast<std::uint32_t>(second << 16 | first);
}

/// The bytes before the checksum; nothing where it does not fit.
std::optional<std::span<std::byte const>> checked(std::span<std::byte const> bytes) {
  if (bytes.size() < kChecksumSize) return std::nullopt;
  auto const content = bytes.first(bytes.size() - kChecksumSize);
  std::array<std::uint8_t, kChecksumSize> stored;
  std::memcpy(stored.data(), content.data() + content.size(), kChecksumSize);
  std::uint32_t const sum =
      stored[0] | stored[1] << 8 | stored[2] << 16 | static_cast<std::uint32_t>(stored[3]) << 24;
  if (sum != fletcher32(content)) return std::nullopt;
  return content;
}

}  // namespace

std::optional<ChunkPipeline> ChunkPipeline::of(hid_t creation, std::size_t element_size) {
  unsigned options = 0;
  check_hdf5(H5Pget_chunk_opts(creation, &options), "H5Pget_chunk_opts");
  if ((options & H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS) != 0) return std::nullopt;
  int const count = check_hdf5(H5Pget_nfilters(creation), "H5Pget_nfilters");
  ChunkPipeline pipeline;
  for (int i = 0; i < count; ++i) {
    unsigned flags = 0;
    unsigned config = 0;
    std::array<unsigned, 4> values{};
    std::size_t size = values.size();
    H5Z_filter_t const filter =
        check_hdf5(H5Pget_filter2(creation, static_cast<unsigned>(i), &flags, &size, values.data(),
                                  0, nullptr, &config),
                   "H5Pget_filter2");
    bool const known =
        (filter == H5Z_FILTER_DEFLATE && kInflates) || filter == H5Z_FILTER_FLETCHER32 ||
        (filter == H5Z_FILTER_SHUFFLE && i == 0 && size >= 1 && values[0] == element_size);
    if (!known) return std::nullopt;
    pipeline.filters_.push_back(filter);
  }
  return pipeline;
}

std::optional<DecodedChunk> ChunkPipeline::decode(std::span<std::byte const> stored,
                                                  std::uint32_t skipped, std::size_t size) {
  DecodedChunk chunk{stored};
  bool inflated = false;
  for (std::size_t i = filters_.size(); i-- > 0;) {
    if ((skipped >> i & 1) != 0) continue;
    if (filters_[i] == H5Z_FILTER_FLETCHER32) {
      auto const content = checked(chunk.bytes);
      if (!content) return std::nullopt;
      chunk.bytes = *content;
    } else if (filters_[i] == H5Z_FILTER_SHUFFLE) {
      chunk.shuffled = true;
    } else {
      if (inflated) return std::nullopt;  // a second time: not worth a second buffer
      inflated = true;
      inflated_.resize(size + kChecksumSize * filters_.size());
      auto const inflated_size = inflate(chunk.bytes, inflated_);
      if (!inflated_size) return std::nullopt;
      chunk.bytes = std::span(inflated_).first(*inflated_size);
    }
  }
  if (chunk.bytes.size() != size) return std::nullopt;
  return chunk;
}

void ChunkPipeline::shrink(std::size_t most) {
  if (inflated_.capacity() > most) Bytes().swap(inflated_);
}

}  // namespace cohort::stats
