#include "jobs/stats/part_reader.h"

#include <algorithm>
#include <stdexcept>

#include "jobs/stats/element_type.h"

namespace cohort::stats {
namespace {

/// Elements of variable length in the first piece, when nothing is known of their lengths.
constexpr std::uint64_t kFirstPiece = 1;
constexpr std::size_t kCache = 16 << 20;

using Extents = std::vector<std::uint64_t>;

std::uint64_t volume(Extents const& count) {
  std::uint64_t product = 1;
  for (std::uint64_t const extent : count) product *= extent;
  return product;
}

/// Pieces are parts of chunks where these are large; the cache has each decoded once.
std::size_t cache_for(hid_t dataset) {
  PropertyHandle const creation(H5Dget_create_plist(dataset), "H5Dget_create_plist");
  if (H5Pget_layout(creation.get()) != H5D_CHUNKED) return 0;
  hsize_t chunk[H5S_MAX_RANK];
  int const rank = check_hdf5(H5Pget_chunk(creation.get(), H5S_MAX_RANK, chunk), "H5Pget_chunk");
  TypeHandle const type(H5Dget_type(dataset), "H5Dget_type");
  std::size_t bytes = H5Tget_size(type.get());
  for (int k = 0; k < rank; ++k) bytes *= chunk[k];
  return std::max(bytes, kCache);
}

DatasetHandle open_dataset(hid_t file, std::string const& name) {
  DatasetHandle dataset(H5Dopen2(file, name.c_str(), H5P_DEFAULT), "H5Dopen2");
  std::size_t const cache = cache_for(dataset.get());
  if (cache == 0) return dataset;
  dataset.reset();
  PropertyHandle const access(H5Pcreate(H5P_DATASET_ACCESS), "H5Pcreate");
  constexpr std::size_t kSlots = 521;
  check_hdf5(H5Pset_chunk_cache(access.get(), kSlots, cache, 1.0), "H5Pset_chunk_cache");
  return {H5Dopen2(file, name.c_str(), access.get()), "H5Dopen2"};
}

/// Of the same rank as the box: HDF5 walks other spaces element by element.
SpaceHandle space_of(Extents const& count) {
  if (count.empty()) return {H5Screate(H5S_SCALAR), "H5Screate"};
  std::vector<hsize_t> const extent(count.begin(), count.end());
  return {H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr),
          "H5Screate_simple"};
}

/// Frees what HDF5 allocated for elements of variable length.
class Reclaim {
 public:
  Reclaim(hid_t memory_type, Extents const& count, void* data)
      : memory_type_(memory_type), space_(space_of(count)), data_(data) {}
  Reclaim(Reclaim const&) = delete;
  Reclaim& operator=(Reclaim const&) = delete;
  ~Reclaim() { H5Dvlen_reclaim(memory_type_, space_.get(), H5P_DEFAULT, data_); }

 private:
  hid_t memory_type_;
  SpaceHandle space_;
  void* data_;
};

}  // namespace

PartReader::PartReader(hid_t file, Block const& block, std::uint64_t piece_limit)
    : piece_limit_(piece_limit), dataset_(open_dataset(file, block.dataset)) {
  TypeHandle const type(H5Dget_type(dataset_.get()), "H5Dget_type");
  memory_type_ = memory_type(type.get(), block.field);
  element_bytes_ = H5Tget_size(memory_type_.get());
}

void PartReader::read(Block const& block, Scan const& scan) {
  if (block.access == Access::kVariableLength) return read_variable(block, scan);
  if (volume(block.count) > 0) read_fixed(block, scan);
  if (block.unstored > 0) read_unstored(block, scan);
}

/// Into the buffer. What a failed read leaves there are zeros, or can be freed.
void PartReader::read_box(Extents const& first, Extents const& count) {
  SpaceHandle const in_file(H5Dget_space(dataset_.get()), "H5Dget_space");
  int const rank =
      check_hdf5(H5Sget_simple_extent_ndims(in_file.get()), "H5Sget_simple_extent_ndims");
  if (static_cast<std::size_t>(rank) != count.size()) {
    throw std::runtime_error("its shape changed while it was read");
  }
  if (!count.empty()) {
    std::vector<hsize_t> const start(first.begin(), first.end());
    std::vector<hsize_t> const extent(count.begin(), count.end());
    check_hdf5(H5Sselect_hyperslab(in_file.get(), H5S_SELECT_SET, start.data(), nullptr,
                                   extent.data(), nullptr),
               "H5Sselect_hyperslab");
  }
  SpaceHandle const in_memory = space_of(count);
  check_hdf5(H5Dread(dataset_.get(), memory_type_.get(), in_memory.get(), in_file.get(),
                     H5P_DEFAULT, buffer_.data()),
             "H5Dread");
}

void PartReader::read_fixed(Block const& block, Scan const& scan) {
  Tiling const pieces(
      block.count,
      choose_tile(block.count, {}, std::max<std::uint64_t>(1, piece_limit_ / element_bytes_)));
  Extents first;
  Extents count;
  for (std::uint64_t i = 0; i < pieces.size(); ++i) {
    pieces.locate(i, first, count);
    std::uint64_t const bytes = volume(count) * element_bytes_;
    buffer_.resize(std::max<std::size_t>(buffer_.size(), (bytes + 7) / 8));
    for (std::size_t k = 0; k < first.size(); ++k) first[k] += block.first[k];
    read_box(first, count);
    scan(view(block.kind, buffer_.data(), bytes / element_size(block.kind)), 1);
  }
}

/// Row by row, in pieces of as many elements as seem to fit by the lengths of those before.
void PartReader::read_variable(Block const& block, Scan const& scan) {
  Extents row = block.count;
  std::uint64_t const length = row.empty() ? 1 : row.back();
  if (!row.empty()) row.back() = std::min<std::uint64_t>(1, length);
  Tiling const rows(row, Extents(row.size(), 1));
  Extents first;
  Extents count;
  std::uint64_t fit = kFirstPiece;
  for (std::uint64_t i = 0; i < rows.size(); ++i) {
    rows.locate(i, first, count);
    for (std::size_t k = 0; k < first.size(); ++k) first[k] += block.first[k];
    for (std::uint64_t at = 0; at < length;) {
      std::uint64_t const elements = std::min(fit, length - at);
      if (!count.empty()) count.back() = elements;
      buffer_.assign((elements * element_bytes_ + 7) / 8, 0);
      numbers_.clear();
      {
        Reclaim const reclaim(memory_type_.get(), count, buffer_.data());
        read_box(first, count);
        append_numbers(memory_type_.get(), reinterpret_cast<std::byte const*>(buffer_.data()),
                       elements, numbers_);
      }
      std::size_t const numbers = numbers_.size() / element_size(block.kind);
      if (numbers > 0) scan(view(block.kind, numbers_.data(), numbers), 1);
      at += elements;
      if (!first.empty()) first.back() += elements;
      // Grown by steps: the next ones may be longer.
      std::uint64_t const each =
          std::max<std::uint64_t>(element_bytes_, numbers_.size() / elements);
      fit = std::clamp<std::uint64_t>(piece_limit_ / each, 1, 4 * elements);
    }
  }
}

/// Elements that the file does not hold have the fill value.
void PartReader::read_unstored(Block const& block, Scan const& scan) {
  PropertyHandle const creation(H5Dget_create_plist(dataset_.get()), "H5Dget_create_plist");
  std::vector<std::uint64_t> fill((element_bytes_ + 7) / 8);
  H5D_fill_value_t defined{};
  check_hdf5(H5Pfill_value_defined(creation.get(), &defined), "H5Pfill_value_defined");
  if (defined == H5D_FILL_VALUE_USER_DEFINED) {
    check_hdf5(H5Pget_fill_value(creation.get(), memory_type_.get(), fill.data()),
               "H5Pget_fill_value");
  }
  scan(view(block.kind, fill.data(), element_bytes_ / element_size(block.kind)), block.unstored);
}

}  // namespace cohort::stats
