#include "jobs/stats/dataset_reader.h"

#include <algorithm>
#include <stdexcept>

#include "jobs/stats/element_type.h"
#include "jobs/stats/plan.h"
#include "jobs/stats/storage.h"

namespace cohort::stats {
namespace {

/// With a chunk cache of that many bytes.
DatasetHandle open_dataset(hid_t file, std::string const& name, std::size_t cache) {
  PropertyHandle const access(H5Pcreate(H5P_DATASET_ACCESS), "H5Pcreate");
  constexpr std::size_t kSlots = 11;
  constexpr double kKeepUnread = 0;
  check_hdf5(H5Pset_chunk_cache(access.get(), kSlots, cache, kKeepUnread), "H5Pset_chunk_cache");
  return {H5Dopen2(file, name.c_str(), access.get()), "H5Dopen2"};
}

Extents chunk_of(hid_t creation, std::size_t rank) {
  std::vector<hsize_t> chunk(rank);
  check_hdf5(H5Pget_chunk(creation, static_cast<int>(rank), chunk.data()), "H5Pget_chunk");
  return {chunk.begin(), chunk.end()};
}

/// The fill value in memory: 0 where none is defined.
std::vector<std::uint64_t> fill_of(hid_t creation, hid_t type) {
  std::vector<std::uint64_t> fill((H5Tget_size(type) + 7) / 8);
  H5D_fill_value_t defined{};
  check_hdf5(H5Pfill_value_defined(creation, &defined), "H5Pfill_value_defined");
  if (defined != H5D_FILL_VALUE_UNDEFINED) {
    check_hdf5(H5Pget_fill_value(creation, type, fill.data()), "H5Pget_fill_value");
  }
  return fill;
}

/// Bytes of a chunk in the file. 0: it is not there; nothing: HDF5 cannot say.
std::optional<std::uint64_t> stored_size(hid_t dataset, Extents const& corner) {
  std::vector<hsize_t> const offset(corner.begin(), corner.end());
  hsize_t size = 0;
  if (H5Dget_chunk_storage_size(dataset, offset.data(), &size) >= 0) return size;
  // HDF5 1.10 fails for a chunk that is not there: "chunk storage is not allocated".
  if (hdf5_error_text().find("not allocated") != std::string::npos) return 0;
  return std::nullopt;
}

std::uint64_t volume(Extents const& count) {
  std::uint64_t product = 1;
  for (std::uint64_t const extent : count) product *= extent;
  return product;
}

/// Calls `use(first, count)` for the runs of consecutive elements, in a chunk of the shape `chunk`,
/// that make up its corner of the shape `box`.
template <class Use>
void for_each_run(Extents const& chunk, Extents const& box, Use const& use) {
  std::size_t inner = chunk.size();  // dimensions from here on are whole, or the first of them
  std::uint64_t length = 1;
  while (inner > 0) {
    --inner;
    length *= box[inner];
    if (box[inner] != chunk[inner]) break;
  }
  std::uint64_t stride = length / std::max<std::uint64_t>(1, box[inner]) * chunk[inner];
  Extents at(inner, 0);
  for (;;) {
    std::uint64_t offset = 0;
    std::uint64_t weight = stride;
    for (std::size_t k = inner; k-- > 0; weight *= chunk[k]) offset += at[k] * weight;
    use(offset, length);
    std::size_t k = inner;
    while (k > 0 && ++at[k - 1] == box[k - 1]) at[--k] = 0;
    if (k == 0) return;
  }
}

}  // namespace

DatasetReader::DatasetReader(hid_t file, std::string const& name, ElementKind kind,
                             std::uint64_t piece_limit)
    : kind_(kind),
      piece_limit_(piece_limit),
      dataset_(open_dataset(file, name, 0)),
      file_type_(H5Dget_type(dataset_.get()), "H5Dget_type"),
      memory_type_(H5Tcopy(native_type(kind)), "H5Tcopy"),
      shape_(shape_of(dataset_.get())),
      pieces_(file_type_.get(), memory_type_.get(), kind) {
  PropertyHandle const creation(H5Dget_create_plist(dataset_.get()), "H5Dget_create_plist");
  fill_ = fill_of(creation.get(), memory_type_.get());
  stored_ = is_stored(dataset_.get(), creation.get());
  if (H5Pget_layout(creation.get()) != H5D_CHUNKED) return;
  chunk_ = chunk_of(creation.get(), shape_.size());
  std::size_t const size = H5Tget_size(file_type_.get());
  chunk_bytes_ = volume(chunk_) * size;
  filtered_ = check_hdf5(H5Pget_nfilters(creation.get()), "H5Pget_nfilters") > 0;
  pipeline_ = ChunkPipeline::of(creation.get(), size);
  // Each chunk is asked for once, so HDF5 needs no cache; save for a filtered chunk above the
  // limit, which it reads in pieces and should decode once.
  if (filtered_ && !pipeline_ && chunk_bytes_ > piece_limit) {
    dataset_.reset();
    dataset_ = open_dataset(file, name, chunk_bytes_);
  }
}

void DatasetReader::read(Extents const& first, Extents const& count, Scan const& scan) {
  bool inside = first.size() == shape_.size() && count.size() == shape_.size();
  for (std::size_t k = 0; inside && k < shape_.size(); ++k) {
    inside = first[k] <= shape_[k] && count[k] <= shape_[k] - first[k];
  }
  if (!inside) throw std::runtime_error("its shape changed while it was read");
  std::uint64_t const elements = volume(count);
  if (elements == 0) return;
  if (!stored_) {
    read_unstored(elements, scan);
  } else if (chunk_.empty()) {
    read_by_hdf5(first, count, scan);
  } else {
    read_chunks(first, count, scan);
  }
}

void DatasetReader::read_unstored(std::uint64_t count, Scan const& scan) {
  if (count > 0) scan(view(kind_, fill_.data(), 1), count);
}

void DatasetReader::read_chunks(Extents const& first, Extents const& count, Scan const& scan) {
  std::size_t const rank = shape_.size();
  std::uint64_t unstored = 0;
  ChunkBox box{Extents(rank), Extents(rank), Extents(rank)};
  for (std::size_t k = 0; k < rank; ++k) box.corner[k] = first[k] / chunk_[k] * chunk_[k];
  for (;;) {
    box.whole = true;
    for (std::size_t k = 0; k < rank; ++k) {
      box.first[k] = std::max(first[k], box.corner[k]);
      std::uint64_t const left = std::min(chunk_[k], shape_[k] - box.corner[k]);
      box.count[k] = std::min(first[k] + count[k], box.corner[k] + left) - box.first[k];
      box.whole = box.whole && box.count[k] == left;
    }
    auto const size = stored_size(dataset_.get(), box.corner);
    if (size == 0) {
      ++counts_.unstored;
      unstored += volume(box.count);
    } else if (size && read_chunk(box, *size, scan)) {
      ++counts_.own;
    } else {
      ++counts_.by_hdf5;
      read_by_hdf5(box.first, box.count, scan);
    }
    std::size_t k = rank;
    for (; k > 0; --k) {
      if (first[k - 1] + count[k - 1] - box.corner[k - 1] > chunk_[k - 1]) {
        box.corner[k - 1] += chunk_[k - 1];
        break;
      }
      box.corner[k - 1] = first[k - 1] / chunk_[k - 1] * chunk_[k - 1];
    }
    if (k == 0) break;
  }
  pieces_.flush(scan);
  read_unstored(unstored, scan);
}

bool DatasetReader::read_chunk(ChunkBox const& box, std::uint64_t size, Scan const& scan) {
  if (!pipeline_ || !box.whole || (!filtered_ && chunk_bytes_ > piece_limit_)) return false;
  if (size > 2 * chunk_bytes_ + 4096) return false;  // no filter makes it so large: it is damaged
  std::vector<hsize_t> const offset(box.corner.begin(), box.corner.end());
  stored_bytes_.resize(size);
  std::uint32_t skipped = 0;
  if (H5Dread_chunk(dataset_.get(), H5P_DEFAULT, offset.data(), &skipped, stored_bytes_.data()) <
      0) {
    return false;
  }
  auto const decoded = pipeline_->decode(stored_bytes_, skipped, chunk_bytes_);
  if (!decoded) return false;
  if (decoded->bytes.data() != stored_bytes_.data() && size > piece_limit_) {
    Bytes().swap(stored_bytes_);
  }
  for_each_run(chunk_, box.count, [&](std::uint64_t first, std::uint64_t count) {
    pieces_.append(*decoded, first, count, scan);
  });
  if (chunk_bytes_ > piece_limit_) {
    pieces_.flush(scan);
    pipeline_->shrink(piece_limit_);
    if (stored_bytes_.capacity() > piece_limit_) Bytes().swap(stored_bytes_);
  }
  return true;
}

void DatasetReader::read_by_hdf5(Extents const& first, Extents const& count, Scan const& scan) {
  SpaceHandle const in_file(H5Dget_space(dataset_.get()), "H5Dget_space");
  std::uint64_t const limit = std::max<std::uint64_t>(1, piece_limit_ / element_size(kind_));
  Tiling const tiles(count, choose_tile(count, {}, limit));
  Extents tile_first;
  Extents tile_count;
  for (std::uint64_t i = 0; i < tiles.size(); ++i) {
    tiles.locate(i, tile_first, tile_count);
    std::vector<hsize_t> start(tile_first.begin(), tile_first.end());
    std::vector<hsize_t> const extent(tile_count.begin(), tile_count.end());
    for (std::size_t k = 0; k < start.size(); ++k) start[k] += first[k];
    // Of the same rank as in the file: HDF5 walks other spaces element by element.
    SpaceHandle in_memory;
    if (start.empty()) {
      in_memory = SpaceHandle(H5Screate(H5S_SCALAR), "H5Screate");
    } else {
      in_memory =
          SpaceHandle(H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr),
                      "H5Screate_simple");
      check_hdf5(H5Sselect_hyperslab(in_file.get(), H5S_SELECT_SET, start.data(), nullptr,
                                     extent.data(), nullptr),
                 "H5Sselect_hyperslab");
    }
    std::uint64_t const elements = volume(tile_count);
    std::size_t const words = (elements * element_size(kind_) + 7) / 8;
    if (buffer_.size() < words) buffer_.resize(words);
    check_hdf5(H5Dread(dataset_.get(), memory_type_.get(), in_memory.get(), in_file.get(),
                       H5P_DEFAULT, buffer_.data()),
               "H5Dread");
    scan(view(kind_, buffer_.data(), elements), 1);
  }
}

}  // namespace cohort::stats
