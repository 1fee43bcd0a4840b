#include "jobs/stats/block_reader.h"

namespace cohort::stats {
namespace {

/// HDF5 keeps up to 32 MiB of a file's metadata otherwise; each dataset is opened once for a pass,
/// and its chunks are looked up in their order.
void keep_little(hid_t file) {
  H5AC_cache_config_t config{};
  config.version = H5AC__CURR_CACHE_CONFIG_VERSION;
  check_hdf5(H5Fget_mdc_config(file, &config), "H5Fget_mdc_config");
  config.set_initial_size = true;
  config.initial_size = config.min_size = 1 << 20;
  config.max_size = 4 << 20;
  check_hdf5(H5Fset_mdc_config(file, &config), "H5Fset_mdc_config");
}

}  // namespace

void BlockReader::close() noexcept {
  part_.reset();
  dataset_.reset();
  file_.reset();
  classic_.close();
}

void BlockReader::read_part(Block const& block, Scan const& scan) {
  dataset_.reset();
  if (!part_ || dataset_name_ != block.dataset || field_ != block.field) {
    part_.reset();
    part_.emplace(file_.get(), block, piece_limit_);
    dataset_name_ = block.dataset;
    field_ = block.field;
  }
  part_->read(block, scan);
}

void BlockReader::for_each_piece(Block const& block, Scan const& scan) {
  if (block.access == Access::kNetcdfClassic) {
    return classic_.for_each_piece(block, piece_limit_, scan);
  }
  if (!file_ || file_name_ != block.file) {
    close();
    file_ = open_for_reading(block.file);
    keep_little(file_.get());
    file_name_ = block.file;
  }
  if (block.access != Access::kNumbers) return read_part(block, scan);
  part_.reset();
  if (!dataset_ || dataset_name_ != block.dataset) {
    dataset_.reset();
    dataset_.emplace(file_.get(), block.dataset, block.kind, piece_limit_);
    dataset_name_ = block.dataset;
  }
  try {
    dataset_->read(block.first, block.count, scan);
    dataset_->read_unstored(block.unstored, scan);
  } catch (...) {
    dataset_.reset();  // it may hold a part of what failed
    throw;
  }
}

}  // namespace cohort::stats
