// The one place where HDF5's C interface is checked and its identifiers are owned.
// HDF5 (the serial library) is used from one thread of a process.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <hdf5.h>

namespace cohort::stats {

/// The most telling entry of HDF5's error stack as one line, "" when the stack is empty: the
/// deepest one, or that which names a missing filter.
[[nodiscard]] std::string hdf5_error_text();

/// Throws std::runtime_error "CALL: text" for the call that just failed.
[[noreturn]] void throw_hdf5(char const* call);

/// HDF5's results (hid_t, herr_t, htri_t, hssize_t): negative means failure.
template <class Integer>
Integer check_hdf5(Integer result, char const* call) {
  if (result < 0) throw_hdf5(call);
  return result;
}

/// Owns an identifier; `Close` is the function of its kind. Errors on closing are ignored: all
/// that is written goes through a file image whose completeness is checked otherwise.
template <herr_t (*Close)(hid_t)>
class [[nodiscard]] Handle {
 public:
  Handle() = default;
  /// Takes over what `call` returned, or throws.
  Handle(hid_t id, char const* call) : id_(check_hdf5(id, call)) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }
  ~Handle() { reset(); }

  void reset() noexcept {
    if (id_ >= 0) Close(std::exchange(id_, H5I_INVALID_HID));
  }
  [[nodiscard]] hid_t get() const noexcept { return id_; }
  explicit operator bool() const noexcept { return id_ >= 0; }

 private:
  hid_t id_ = H5I_INVALID_HID;
};

using FileHandle = Handle<&H5Fclose>;
using ObjectHandle = Handle<&H5Oclose>;
using GroupHandle = Handle<&H5Gclose>;
using DatasetHandle = Handle<&H5Dclose>;
using TypeHandle = Handle<&H5Tclose>;
using SpaceHandle = Handle<&H5Sclose>;
using PropertyHandle = Handle<&H5Pclose>;
using AttributeHandle = Handle<&H5Aclose>;

/// Stops HDF5 from printing its error stack. Every entry point of this folder calls it.
void silence_hdf5() noexcept;

/// The first bytes of a file, up to kHeadSize of file_format.h. Throws like open_for_reading().
[[nodiscard]] std::string head_of(std::string const& path);

/// Opens a file to read it, with a shared lock where the file system has locks. Throws
/// std::runtime_error, one line that says what is wrong with the file.
[[nodiscard]] FileHandle open_for_reading(std::string const& path);

/// Its extents; {0} of a dataset without a space of its own (H5S_NULL). Throws what check_hdf5()
/// does.
[[nodiscard]] std::vector<std::uint64_t> shape_of(hid_t dataset);

/// "1.10.8": the library that runs.
[[nodiscard]] std::string hdf5_version();

}  // namespace cohort::stats
