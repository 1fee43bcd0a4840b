#include "jobs/stats/links.h"

#include <algorithm>
#include <stdexcept>
#include <string_view>

#include <fmt/format.h>
#include <hdf5.h>
#include <sys/stat.h>

#include "jobs/stats/source_file.h"

namespace cohort::stats {
namespace {

constexpr unsigned kMostLinks = 32;  // soft and external ones on the way to one object

/// Not wrapped by the links on the way, of which each would say the same.
struct TooManyLinks : std::runtime_error {
  TooManyLinks() : std::runtime_error(fmt::format("more than {} links lead to it", kMostLinks)) {}
};

std::pair<std::uint64_t, std::uint64_t> identity(hid_t file) {
  ssize_t const size = check_hdf5(H5Fget_name(file, nullptr, 0), "H5Fget_name");
  std::string name(static_cast<std::size_t>(size) + 1, '\0');
  check_hdf5(H5Fget_name(file, name.data(), name.size()), "H5Fget_name");
  struct ::stat status {};
  if (::stat(name.c_str(), &status) != 0) throw std::runtime_error("it went while it was read");
  return {status.st_dev, status.st_ino};
}

/// What the link says, as HDF5 stores it.
std::string value_of(hid_t file, std::string const& link) {
  H5L_info_t info{};
  check_hdf5(H5Lget_info(file, link.c_str(), &info, H5P_DEFAULT), "H5Lget_info");
  std::string value(info.u.val_size + 1, '\0');
  check_hdf5(H5Lget_val(file, link.c_str(), value.data(), info.u.val_size, H5P_DEFAULT),
             "H5Lget_val");
  return value;
}

}  // namespace

std::string below(std::string const& path, std::string const& name) {
  return path == "/" ? fmt::format("/{}", name) : fmt::format("{}/{}", path, name);
}

LinkedFiles::File const* LinkedFiles::keep(FileHandle file, std::string const& name) {
  auto const who = identity(file.get());
  if (auto const known = by_inode_.find(who); known != by_inode_.end()) return known->second;
  files_.push_back({std::move(file), name, files_.size()});
  return by_inode_[who] = &files_.back();
}

LinkedFiles::Target LinkedFiles::resolve(Target const& from, std::string const& path) {
  return resolve(from, path, 0);
}

LinkedFiles::Target LinkedFiles::resolve(Target at, std::string const& path, unsigned links) {
  if (links > kMostLinks) throw TooManyLinks();
  if (path.starts_with('/')) at.path.assign(1, '/');
  std::string_view rest = path;
  while (!rest.empty()) {
    std::string const name(rest.substr(0, rest.find('/')));
    rest.remove_prefix(std::min(name.size() + 1, rest.size()));
    if (name.empty() || name == ".") continue;
    std::string const link_path = below(at.path, name);
    hid_t const file = at.file->handle.get();
    H5L_info_t link{};
    if (H5Lexists(file, link_path.c_str(), H5P_DEFAULT) <= 0 ||
        H5Lget_info(file, link_path.c_str(), &link, H5P_DEFAULT) < 0) {
      bool const last = rest.find_first_not_of("/.") == std::string_view::npos;
      throw std::runtime_error(last ? "no such dataset"
                                    : fmt::format("no such dataset: there is no {}", link_path));
    }
    if (link.type == H5L_TYPE_HARD) {
      at.path = link_path;
    } else {
      at = follow(at, link_path, static_cast<int>(link.type), links + 1);
    }
  }
  return at;
}

LinkedFiles::Target LinkedFiles::follow(Target const& group, std::string const& link_path, int type,
                                        unsigned links) {
  std::string const value = value_of(group.file->handle.get(), link_path);
  std::string what;
  try {
    if (type == H5L_TYPE_SOFT) {
      what = fmt::format("a dangling soft link to {}", value.c_str());
      return resolve(group, value.c_str(), links);
    }
    if (type != H5L_TYPE_EXTERNAL) {
      what = fmt::format("a user-defined link of class {}", type);
      throw std::runtime_error("only the program that made it can follow it");
    }
    unsigned flags = 0;
    char const* file = nullptr;
    char const* path = nullptr;
    check_hdf5(H5Lunpack_elink_val(value.data(), value.size() - 1, &flags, &file, &path),
               "H5Lunpack_elink_val");
    what = fmt::format("a broken external link to {}:{}", file, path);
    SourceFile source = open_source(file, group.file->name, "HDF5_EXT_PREFIX");
    return resolve({keep(std::move(source.file), source.name), "/"}, path, links);
  } catch (TooManyLinks const&) {
    throw;
  } catch (std::runtime_error const& error) {
    throw std::runtime_error(fmt::format("{}: {}", what, error.what()));
  }
}

}  // namespace cohort::stats
