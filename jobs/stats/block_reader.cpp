#include "jobs/stats/block_reader.h"

namespace cohort::stats {

void BlockReader::close() noexcept {
  dataset_.reset();
  file_.reset();
}

void BlockReader::for_each_piece(Block const& block, Scan const& scan) {
  if (!file_ || file_name_ != block.file) {
    close();
    file_ = open_for_reading(block.file);
    file_name_ = block.file;
  }
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
