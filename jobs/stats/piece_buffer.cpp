#include "jobs/stats/piece_buffer.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>

#include "jobs/stats/hdf5_handle.h"

namespace cohort::stats {
namespace {

constexpr std::size_t kPieceLength = 32768;

/// Gathers `count` elements of `Word`'s size from planes of bytes that are `stride` apart.
template <class Word>
void unshuffle(std::byte const* planes, std::size_t stride, std::size_t count, std::byte* into) {
  for (std::size_t i = 0; i < count; ++i) {
    Word word = 0;
    for (std::size_t k = 0; k < sizeof(Word); ++k) {
      std::size_t const at = std::endian::native == std::endian::little ? k : sizeof(Word) - 1 - k;
      word = static_cast<Word>(word | static_cast<Word>(planes[k * stride + i]) << (8 * at));
    }
    std::memcpy(into + i * sizeof(Word), &word, sizeof(Word));
  }
}

void unshuffle(std::byte const* planes, std::size_t stride, std::size_t size, std::size_t count,
               std::byte* into) {
  switch (size) {
    case 2:
      return unshuffle<std::uint16_t>(planes, stride, count, into);
    case 4:
      return unshuffle<std::uint32_t>(planes, stride, count, into);
    case 8:
      return unshuffle<std::uint64_t>(planes, stride, count, into);
    default:
      for (std::size_t k = 0; k < size; ++k) {
        for (std::size_t i = 0; i < count; ++i) into[i * size + k] = planes[k * stride + i];
      }
  }
}

}  // namespace

Elements view(ElementKind kind, void const* data, std::size_t size) {
  switch (kind) {
    case ElementKind::kFloat:
      return std::span(static_cast<float const*>(data), size);
    case ElementKind::kDouble:
      return std::span(static_cast<double const*>(data), size);
    case ElementKind::kInt64:
      return std::span(static_cast<std::int64_t const*>(data), size);
    case ElementKind::kUint64:
      return std::span(static_cast<std::uint64_t const*>(data), size);
  }
  throw std::logic_error("unknown ElementKind");
}

PieceBuffer::PieceBuffer(hid_t file_type, hid_t memory_type, ElementKind kind)
    : file_type_(file_type),
      memory_type_(memory_type),
      kind_(kind),
      file_size_(H5Tget_size(file_type)),
      convert_(check_hdf5(H5Tequal(file_type, memory_type), "H5Tequal") == 0) {}

void PieceBuffer::append(DecodedChunk const& chunk, std::size_t first, std::size_t count,
                         Scan const& scan) {
  std::size_t const bytes = kPieceLength * std::max(file_size_, element_size(kind_));
  words_.resize((bytes + 7) / 8);
  auto* const data = reinterpret_cast<std::byte*>(words_.data());
  while (count > 0) {
    std::size_t const some = std::min(count, kPieceLength - filled_);
    std::byte* const into = data + filled_ * file_size_;
    if (chunk.shuffled) {
      unshuffle(chunk.bytes.data() + first, chunk.bytes.size() / file_size_, file_size_, some,
                into);
    } else {
      std::memcpy(into, chunk.bytes.data() + first * file_size_, some * file_size_);
    }
    first += some;
    count -= some;
    filled_ += some;
    if (filled_ == kPieceLength) flush(scan);
  }
}

void PieceBuffer::flush(Scan const& scan) {
  if (filled_ == 0) return;
  if (convert_) {
    check_hdf5(H5Tconvert(file_type_, memory_type_, filled_, words_.data(), nullptr, H5P_DEFAULT),
               "H5Tconvert");
  }
  std::size_t const count = filled_;
  filled_ = 0;
  scan(view(kind_, words_.data(), count), 1);
}

}  // namespace cohort::stats
