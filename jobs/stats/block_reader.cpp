#include "jobs/stats/block_reader.h"

#include <algorithm>
#include <stdexcept>

namespace cohort::stats {
namespace {

hid_t memory_type(ElementKind kind) {
  switch (kind) {
    case ElementKind::kFloat:
      return H5T_NATIVE_FLOAT;
    case ElementKind::kDouble:
      return H5T_NATIVE_DOUBLE;
    case ElementKind::kInt64:
      return H5T_NATIVE_INT64;
    case ElementKind::kUint64:
      return H5T_NATIVE_UINT64;
  }
  throw std::logic_error("unknown ElementKind");
}

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

/// Bytes that HDF5's chunk cache needs. Blocks ask for each chunk once, so none; save for a
/// filtered chunk above the limit, which is read in pieces and should be decoded once.
std::size_t cache_bytes(hid_t dataset, std::uint64_t piece_limit) {
  PropertyHandle const creation(H5Dget_create_plist(dataset), "H5Dget_create_plist");
  if (H5Pget_layout(creation.get()) != H5D_CHUNKED || H5Pget_nfilters(creation.get()) <= 0)
    return 0;
  hsize_t chunk[H5S_MAX_RANK];
  int const rank = check_hdf5(H5Pget_chunk(creation.get(), H5S_MAX_RANK, chunk), "H5Pget_chunk");
  TypeHandle const type(H5Dget_type(dataset), "H5Dget_type");
  std::uint64_t elements = 1;
  for (int k = 0; k < rank; ++k) elements *= chunk[k];
  // In memory an element has up to 8 bytes, whatever it has in the file.
  return elements * 8 > piece_limit ? elements * H5Tget_size(type.get()) : 0;
}

DatasetHandle open_dataset(hid_t file, std::string const& name, std::size_t cache) {
  PropertyHandle const access(H5Pcreate(H5P_DATASET_ACCESS), "H5Pcreate");
  constexpr std::size_t kSlots = 11;
  constexpr double kKeepUnread = 0;
  check_hdf5(H5Pset_chunk_cache(access.get(), kSlots, cache, kKeepUnread), "H5Pset_chunk_cache");
  return {H5Dopen2(file, name.c_str(), access.get()), "H5Dopen2"};
}

}  // namespace

void BlockReader::close() noexcept {
  dataset_.reset();
  file_.reset();
  std::vector<std::uint64_t>().swap(buffer_);
}

void BlockReader::open(Block const& block) {
  if (!file_ || file_name_ != block.file) {
    dataset_.reset();
    file_.reset();
    file_ = open_for_reading(block.file);
    file_name_ = block.file;
  }
  if (dataset_ && dataset_name_ == block.dataset) return;
  dataset_.reset();
  dataset_ = open_dataset(file_.get(), block.dataset, 0);
  if (std::size_t const cache = cache_bytes(dataset_.get(), piece_limit_); cache > 0) {
    dataset_.reset();
    dataset_ = open_dataset(file_.get(), block.dataset, cache);
  }
  dataset_name_ = block.dataset;
}

Elements BlockReader::read(ElementKind kind, std::vector<std::uint64_t> const& first,
                           std::vector<std::uint64_t> const& count) {
  SpaceHandle const in_file(H5Dget_space(dataset_.get()), "H5Dget_space");
  int const rank =
      check_hdf5(H5Sget_simple_extent_ndims(in_file.get()), "H5Sget_simple_extent_ndims");
  if (static_cast<std::size_t>(rank) != first.size()) {
    throw std::runtime_error("its number of dimensions changed while it was read");
  }
  hsize_t elements = 1;
  for (std::uint64_t const extent : count) elements *= extent;
  if (rank > 0) {
    std::vector<hsize_t> const start(first.begin(), first.end());
    std::vector<hsize_t> const extent(count.begin(), count.end());
    check_hdf5(H5Sselect_hyperslab(in_file.get(), H5S_SELECT_SET, start.data(), nullptr,
                                   extent.data(), nullptr),
               "H5Sselect_hyperslab");
  }
  SpaceHandle const in_memory(H5Screate_simple(1, &elements, nullptr), "H5Screate_simple");
  buffer_.resize(std::max<std::size_t>(buffer_.size(), (elements * element_size(kind) + 7) / 8));
  check_hdf5(H5Dread(dataset_.get(), memory_type(kind), in_memory.get(), in_file.get(), H5P_DEFAULT,
                     buffer_.data()),
             "H5Dread");
  return view(kind, buffer_.data(), elements);
}

void BlockReader::for_each_piece(Block const& block, std::function<void(Elements)> const& scan) {
  open(block);
  std::uint64_t const limit = std::max<std::uint64_t>(1, piece_limit_ / element_size(block.kind));
  Tiling const pieces(block.count, choose_tile(block.count, {}, limit));
  std::vector<std::uint64_t> first;
  std::vector<std::uint64_t> count;
  for (std::uint64_t i = 0; i < pieces.size(); ++i) {
    pieces.locate(i, first, count);
    for (std::size_t k = 0; k < first.size(); ++k) first[k] += block.first[k];
    scan(read(block.kind, first, count));
  }
}

}  // namespace cohort::stats
