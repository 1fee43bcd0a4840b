// The walk over the groups and links of HDF5 files. It goes on after whatever is damaged, enters
// each group once, whatever cycles its links make, and reads each dataset under one name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>

#include "jobs/stats/discovery.h"
#include "jobs/stats/hdf5_handle.h"
#include "jobs/stats/links.h"

namespace cohort::stats {

class Walk {
 public:
  /// `name` is the argument's file, by which `file` was opened, and the name of all that is found.
  Walk(FileHandle file, std::string name);

  /// Whether the links of a path lead somewhere.
  [[nodiscard]] bool leads_somewhere(std::string const& path);
  /// All below a group, or one dataset, in the order of their names.
  [[nodiscard]] Discovery all_of(std::string const& path);

 private:
  /// An object: what the reports call it, and where it lies.
  struct Place {
    LinkedFiles::Target at;
    std::string shown;
    unsigned depth = 0;  ///< groups above it, of all files
  };
  /// A link that is followed when the objects of its own file are known.
  struct Later {
    LinkedFiles::Target group;
    std::string name;
    std::string shown;
    unsigned depth;
    char const* how;  ///< "a soft link to"
  };
  using Key = std::pair<std::uint64_t, std::uint64_t>;  // file and address
  /// What became of a dataset: where its entries in `found_.datasets` are, or that it has none.
  struct Known {
    std::string shown;
    std::size_t begin = 0;
    std::size_t end = 0;
    enum class State { kFailed, kWithoutNumbers, kLeftOut, kListed } state = State::kFailed;
  };

  std::string name_;
  LinkedFiles files_;
  LinkedFiles::Target root_;
  Discovery found_;
  std::map<Key, std::string> groups_;  // the name under which each was entered
  std::map<Key, Known> datasets_;
  // Other names come last, so that a dataset is read under the name that its own file gives it.
  std::deque<Later> external_;
  std::deque<Later> soft_;

  void follow(Later const& link);
  void object(Place const& place, char const* how);
  void enter(hid_t group, Place const& place, char const* how);
  void links(hid_t group, Place const& place);
  void dataset(hid_t id, Place const& place);
  void list(hid_t id, Place const& place, Known& known);
  void list_again(Known const& known, std::string const& shown);

  void fail(std::string const& shown, std::string const& why);
  void skip(std::string const& shown, std::string const& why);
};

}  // namespace cohort::stats
