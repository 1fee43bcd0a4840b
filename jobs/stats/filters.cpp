#include "jobs/stats/filters.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "jobs/stats/hdf5_handle.h"

namespace cohort::stats {
namespace {

/// The numbers are registered with The HDF Group; the packages are those of Debian 12.
struct Known {
  H5Z_filter_t id;
  std::string_view name;
  std::string_view package;  ///< empty: not in Debian
};
constexpr std::array kKnown{
    Known{307, "bzip2", "hdf5-filter-plugin"},
    Known{32000, "LZF", "hdf5-plugin-lzf"},
    Known{32001, "Blosc", "hdf5-filter-plugin-blosc-serial"},
    Known{32004, "LZ4", "hdf5-filter-plugin"},
    Known{32008, "Bitshuffle", "bitshuffle"},
    Known{32013, "ZFP", "hdf5-filter-plugin-zfp-serial"},
    Known{32015, "Zstandard", ""},
    Known{32017, "SZ", ""},
    Known{32018, "FCIDECOMP", ""},
    Known{32024, "SZ3", ""},
    Known{32026, "Blosc2", ""},
    Known{32028, "SPERR", ""},
};

std::string where_from(Known const* known) {
  if (known == nullptr) {
    return "HDF5 found no plugin for it (its folders: HDF5_PLUGIN_PATH)";
  }
  if (!known->package.empty()) {
    return fmt::format("Debian has it in the package {}", known->package);
  }
  return "Debian has no package of it; PyPI's hdf5plugin has it (point HDF5_PLUGIN_PATH at "
         "hdf5plugin.PLUGIN_PATH)";
}

}  // namespace

void require_filters(hid_t creation) {
  int const count = check_hdf5(H5Pget_nfilters(creation), "H5Pget_nfilters");
  for (int i = 0; i < count; ++i) {
    unsigned flags = 0;
    unsigned config = 0;
    std::size_t values = 0;
    std::array<char, 128> name{};
    H5Z_filter_t const id =
        check_hdf5(H5Pget_filter2(creation, static_cast<unsigned>(i), &flags, &values, nullptr,
                                  name.size(), name.data(), &config),
                   "H5Pget_filter2");
    if (H5Zfilter_avail(id) > 0) continue;
    auto const* const found = std::find_if(kKnown.begin(), kKnown.end(),
                                           [&](Known const& each) { return each.id == id; });
    Known const* const known = found == kKnown.end() ? nullptr : found;
    std::string label = name[0] != '\0'    ? std::string(name.data())
                        : known != nullptr ? std::string(known->name)
                                           : "unnamed";
    throw std::runtime_error(
        fmt::format("filter {} ({}) is not available: {}", id, label, where_from(known)));
  }
}

}  // namespace cohort::stats
