#include "jobs/stats/raw_files.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <fmt/format.h>
#include <sys/stat.h>

#include "jobs/stats/hdf5_handle.h"

namespace cohort::stats {
namespace {

/// The folder of the relative names, as HDF5 expanded it when it opened the dataset; "" for the
/// working directory.
std::string prefix_of(hid_t dataset) {
  PropertyHandle const access(H5Dget_access_plist(dataset), "H5Dget_access_plist");
  ssize_t const size =
      check_hdf5(H5Pget_efile_prefix(access.get(), nullptr, 0), "H5Pget_efile_prefix");
  std::string prefix(static_cast<std::size_t>(size) + 1, '\0');
  check_hdf5(H5Pget_efile_prefix(access.get(), prefix.data(), prefix.size()),
             "H5Pget_efile_prefix");
  prefix.resize(static_cast<std::size_t>(size));
  return prefix;
}

/// Bytes of the file, or its size is not known: a pipe or a device.
void require_bytes(std::string const& path, std::uint64_t needed) {
  struct ::stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    throw std::runtime_error(fmt::format("its raw file {} cannot be read: {}", path,
                                         std::generic_category().message(errno)));
  }
  auto const size = static_cast<std::uint64_t>(status.st_size);
  if (S_ISREG(status.st_mode) && size < needed) {
    throw std::runtime_error(
        fmt::format("its raw file {} is too short: it has {} bytes of {}", path, size, needed));
  }
}

}  // namespace

void require_raw_files(hid_t dataset) {
  PropertyHandle const creation(H5Dget_create_plist(dataset), "H5Dget_create_plist");
  int const files = check_hdf5(H5Pget_external_count(creation.get()), "H5Pget_external_count");
  if (files == 0) return;
  SpaceHandle const space(H5Dget_space(dataset), "H5Dget_space");
  TypeHandle const type(H5Dget_type(dataset), "H5Dget_type");
  auto const elements =
      check_hdf5(H5Sget_simple_extent_npoints(space.get()), "H5Sget_simple_extent_npoints");
  std::uint64_t left = static_cast<std::uint64_t>(elements) * H5Tget_size(type.get());
  std::string const prefix = prefix_of(dataset);
  for (int i = 0; i < files && left > 0; ++i) {
    std::vector<char> name(4096);
    off_t offset = 0;
    hsize_t size = 0;
    check_hdf5(H5Pget_external(creation.get(), static_cast<unsigned>(i), name.size() - 1,
                               name.data(), &offset, &size),
               "H5Pget_external");
    std::uint64_t const used = std::min<std::uint64_t>(left, size);
    bool const as_it_is = prefix.empty() || name[0] == '/';
    require_bytes(as_it_is ? name.data() : fmt::format("{}/{}", prefix, name.data()),
                  static_cast<std::uint64_t>(offset) + used);
    left -= used;
  }
}

}  // namespace cohort::stats
