#include "jobs/stats/hdf5_handle.h"

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jobs/stats/file_format.h"

namespace cohort::stats {
namespace {

herr_t keep_most_telling(unsigned, H5E_error2_t const* entry, void* text) noexcept {
  auto& kept = *static_cast<std::string*>(text);
  if (entry->desc == nullptr) return 0;
  std::string_view const found = entry->desc;
  bool const names_filter = found.find("required filter") != std::string_view::npos;
  try {
    if (kept.empty() || names_filter) kept = found;
  } catch (...) {
    return -1;
  }
  return 0;
}

[[noreturn]] void fail(int error) {
  throw std::runtime_error(std::generic_category().message(error));
}

/// Finds out with POSIX alone what HDF5 would say less clearly. Returns the first bytes.
std::string look_at(std::string const& path) {
  struct ::stat status {};
  if (::stat(path.c_str(), &status) != 0) fail(errno);
  if (S_ISDIR(status.st_mode)) {
    std::string const known = foreign_directory(path);
    throw std::runtime_error(known.empty() ? "is a directory, not a file"
                                           : "not an HDF5 file: " + known);
  }
  if (!S_ISREG(status.st_mode)) throw std::runtime_error("not a regular file");
  std::string const head = head_of(path);
  if (head.empty()) throw std::runtime_error("not an HDF5 file: it is empty");
  return head;
}

enum class Mode { kLocked, kUnlocked, kLive };

/// Negative on failure; `why` then has the reason, taken before any other call clears the stack.
/// kLive reads with a writer, by HDF5's single-writer multiple-reader protocol; it needs no lock.
hid_t try_open(std::string const& path, Mode mode, std::string& why) {
  PropertyHandle const access(H5Pcreate(H5P_FILE_ACCESS), "H5Pcreate");
  check_hdf5(H5Pset_file_locking(access.get(), mode == Mode::kLocked, true), "H5Pset_file_locking");
  unsigned const flags = H5F_ACC_RDONLY | (mode == Mode::kLive ? H5F_ACC_SWMR_READ : 0u);
  hid_t const file = H5Fopen(path.c_str(), flags, access.get());
  if (file < 0) why = hdf5_error_text();
  return file;
}

}  // namespace

std::string hdf5_error_text() {
  std::string text;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, &keep_most_telling, &text);
  // Addresses in memory and what follows them help nobody.
  if (auto const at = text.find(", buf = "); at != std::string::npos) text.resize(at);
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < ' '; }, ' ');
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

void throw_hdf5(char const* call) {
  std::string const text = hdf5_error_text();
  throw std::runtime_error(fmt::format("{}: {}", call, text.empty() ? "failed" : text));
}

void silence_hdf5() noexcept { H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr); }

std::string head_of(std::string const& path) {
  int const descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail(errno);
  std::string head(kHeadSize, '\0');
  ssize_t const size = ::read(descriptor, head.data(), head.size());
  int const error = errno;
  ::close(descriptor);
  if (size < 0) fail(error);
  head.resize(static_cast<std::size_t>(size));
  return head;
}

FileHandle open_for_reading(std::string const& path) {
  silence_hdf5();
  std::string const head = look_at(path);
  std::string why;
  hid_t file = try_open(path, Mode::kLocked, why);
  if (file >= 0) return {file, "H5Fopen"};
  if (why.find("unable to lock file") != std::string::npos) {
    if (why.find(fmt::format("errno = {},", EAGAIN)) != std::string::npos) {
      throw std::runtime_error("another program has it open for writing (it is locked)");
    }
    file = try_open(path, Mode::kUnlocked, why);  // a file system without locks
    if (file >= 0) return {file, "H5Fopen"};
  }
  if (why.find("flag values don't match") != std::string::npos) {
    // This process has it open already, in another mode.
    std::string other;
    for (Mode const mode : {Mode::kLive, Mode::kUnlocked}) {
      if ((file = try_open(path, mode, other)) >= 0) return {file, "H5Fopen"};
    }
  }
  if (why.find("file is already open for") != std::string::npos) {
    // Marked as open by a writer that works, or that was killed. The marks stay as they are.
    std::string still;
    file = try_open(path, Mode::kLive, still);
    if (file >= 0) return {file, "H5Fopen"};
    throw std::runtime_error(
        "it is marked as open for writing: its writer works on it, or was killed (h5clear -s takes "
        "the mark away, on a copy if in doubt)");
  }
  if (H5Fis_hdf5(path.c_str()) == 0) {
    std::string const known = foreign_format(head);
    throw std::runtime_error(known.empty() ? "not an HDF5 file" : "not an HDF5 file: " + known);
  }
  throw std::runtime_error(fmt::format("cannot be opened as HDF5: {}", why));
}

std::string hdf5_version() {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned release = 0;
  check_hdf5(H5get_libversion(&major, &minor, &release), "H5get_libversion");
  return fmt::format("{}.{}.{}", major, minor, release);
}

std::vector<std::uint64_t> shape_of(hid_t dataset) {
  SpaceHandle const space(H5Dget_space(dataset), "H5Dget_space");
  if (H5Sget_simple_extent_type(space.get()) == H5S_NULL) return {0};
  int const rank =
      check_hdf5(H5Sget_simple_extent_ndims(space.get()), "H5Sget_simple_extent_ndims");
  std::vector<hsize_t> shape(static_cast<std::size_t>(rank));
  check_hdf5(H5Sget_simple_extent_dims(space.get(), shape.data(), nullptr),
             "H5Sget_simple_extent_dims");
  return {shape.begin(), shape.end()};
}

}  // namespace cohort::stats
