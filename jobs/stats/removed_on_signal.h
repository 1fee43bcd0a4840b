// A temporary file that goes with its process when that is told to end.
#pragma once

#include <string>

namespace cohort::stats {

/// While it lives, SIGTERM, SIGINT and SIGHUP remove the file of that name, and then do what they
/// did before: mostly, end the process. One that is ignored stays ignored. One object at a time in
/// a process; throws std::runtime_error where there is another, or where the name is too long.
class RemovedOnSignal {
 public:
  explicit RemovedOnSignal(std::string const& path);
  RemovedOnSignal(RemovedOnSignal const&) = delete;
  RemovedOnSignal& operator=(RemovedOnSignal const&) = delete;
  ~RemovedOnSignal();
};

}  // namespace cohort::stats
