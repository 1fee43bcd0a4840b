// Reads the elements of netCDF classic variables, piece by piece, in a worker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "jobs/stats/classic_file.h"
#include "jobs/stats/discovery.h"
#include "jobs/stats/piece_buffer.h"
#include "jobs/stats/plan.h"

namespace cohort::stats {

/// The variables of a classic file, as discover() lists them; `argument` names a classic file.
/// Throws std::runtime_error, one line, where its header is damaged.
[[nodiscard]] Discovery discover_classic(Argument const& argument);

/// Keeps its last file open; belongs to one thread.
class ClassicReader {
 public:
  /// Calls `scan` with the elements, at most `piece_limit` bytes of them at a time. Throws
  /// std::runtime_error, one line, when they cannot be read.
  void for_each_piece(Block const& block, std::uint64_t piece_limit, Scan const& scan);
  void close() noexcept;

 private:
  std::string name_;
  std::unique_ptr<ClassicFile> file_;
  std::vector<std::byte> stored_;      // as the file has it
  std::vector<std::byte> span_;        // several runs, with what lies between them
  std::vector<std::uint64_t> memory_;  // words: aligned for every kind

  void read(ClassicVariable const& variable, std::vector<std::uint64_t> const& first,
            std::vector<std::uint64_t> const& count);
};

}  // namespace cohort::stats
