#include "jobs/stats/file_format.h"

#include <array>

#include <fmt/format.h>
#include <sys/stat.h>

namespace cohort::stats {
namespace {

using namespace std::string_view_literals;

struct Magic {
  std::size_t offset;
  std::string_view bytes;
  std::string_view text;
};

constexpr std::array kMagic{
    Magic{0, "\x1f\x8b"sv, "compressed by gzip: decompress it first (gunzip)"},
    Magic{0, "\x1f\x9d"sv, "compressed by compress: decompress it first (gunzip)"},
    Magic{0, "BZh"sv, "compressed by bzip2: decompress it first (bunzip2)"},
    Magic{0,
          "\xfd"
          "7zXZ\0"sv,
          "compressed by xz: decompress it first (unxz)"},
    Magic{0, "\x28\xb5\x2f\xfd"sv, "compressed by zstd: decompress it first (unzstd)"},
    Magic{0, "\x04\x22\x4d\x18"sv, "compressed by lz4: decompress it first (unlz4)"},
    Magic{0, "PK\x03\x04"sv, "a ZIP archive (a zipped Zarr store, .npz or office document)"},
    Magic{257, "ustar"sv, "a tar archive: unpack it first"},
    Magic{0, "GRIB"sv, "GRIB: convert it first (cdo -f nc4 copy, or grib_to_netcdf)"},
    Magic{0, "BUFR"sv, "BUFR: convert it first (bufr_dump)"},
    Magic{0, "\x0e\x03\x13\x01"sv, "HDF4: convert it first (h4toh5, or ncdump | ncgen)"},
    Magic{0, "\x93NUMPY"sv, "a NumPy array (.npy): save it with h5py"},
    Magic{0, "MATLAB 5.0 MAT-file"sv, "a MATLAB file before 7.3: save it with -v7.3"},
    Magic{0, "SIMPLE  ="sv, "FITS"},
    Magic{0, "II*\0"sv, "TIFF"},
    Magic{0, "MM\0*"sv, "TIFF"},
    Magic{0, "PAR1"sv, "Parquet"},
    Magic{0, "SQLite format 3\0"sv, "an SQLite database"},
};

bool exists(std::string const& path) {
  struct ::stat status {};
  return ::stat(path.c_str(), &status) == 0;
}

}  // namespace

std::string foreign_format(std::string_view head) {
  for (Magic const& magic : kMagic) {
    if (head.size() >= magic.offset && head.substr(magic.offset).starts_with(magic.bytes)) {
      return fmt::format("it is {}", magic.text);
    }
  }
  return "";
}

std::string foreign_directory(std::string const& path) {
  for (char const* const name : {".zgroup", ".zarray", ".zmetadata", "zarr.json"}) {
    if (exists(fmt::format("{}/{}", path, name))) {
      return "it is a Zarr store: convert it first (xarray.open_zarr(…).to_netcdf(…))";
    }
  }
  if (exists(path + "/md.idx")) return "it is an ADIOS2 (BP) output";
  return "";
}

bool is_netcdf_classic(std::string_view head) {
  return head.size() >= 4 && head.starts_with("CDF") &&
         (head[3] == '\x01' || head[3] == '\x02' || head[3] == '\x05');
}

}  // namespace cohort::stats
