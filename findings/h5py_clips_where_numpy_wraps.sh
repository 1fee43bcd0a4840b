#!/usr/bin/env bash
# Expected: in h5py, x.astype("u1")[:] is x[:].astype("u1"), and writing an array into a u1 dataset
#           stores what numpy's own conversion gives: h5py speaks numpy's language.
# Happens:  numpy wraps (300 is 44, -1 is 255), HDF5 clips (300 is 255, -1 is 0), and h5py leaves
#           the conversion to HDF5. So two spellings that look alike give different data, silently,
#           and a checksum or a mask of bits kept in an integer dataset is clipped on the way. The
#           same assignment by netCDF4-python, into the same HDF5 file, wraps.
# Source:   h5py 3.7.0 (Dataset.astype, Dataset.__setitem__) with HDF5 1.10.8, numpy 1.24.2,
#           netCDF4-python 1.6.2 (Variable.__setitem__).
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
apt-get -qq -o APT::Sandbox::User=root download \
  python3-netcdf4=1.6.2-1+b1 libnetcdf19=1:4.9.0-3+b1 libhdf5-103-1=1.10.8+repack1-1 \
  python3-h5py=3.7.0-8 python3-h5py-serial=3.7.0-8 python3-numpy=1:1.24.2-1+deb12u1 ||
  { echo "cannot download the packages; nothing was checked"; exit 2; }
for deb in *.deb; do dpkg -x "$deb" .; done
echo "packages:" *.deb
lib=$tmp/usr/lib/x86_64-linux-gnu
export LD_LIBRARY_PATH=$lib PYTHONNOUSERSITE=1 PYTHONPATH=$tmp/usr/lib/python3/dist-packages
/usr/bin/python3 - <<'P' || { echo "changed: integers are converted alike"; exit 1; }
import h5py, netCDF4, numpy
print("h5py", h5py.version.version, "HDF5", h5py.version.hdf5_version, "numpy", numpy.__version__,
      "netCDF4", netCDF4.__version__)
values = numpy.array([5, 255, 256, 300, -1], "i8")
with h5py.File("x.h5", "w") as f:
    wide = f.create_dataset("wide", data=values)
    narrow = f.create_dataset("narrow", (5,), "u1")
    narrow[:] = values
    by_hdf5, by_numpy, written = wide.astype("u1")[:], wide[:].astype("u1"), narrow[:]
with netCDF4.Dataset("x.nc", "w") as f:
    f.createDimension("x", 5)
    f.createVariable("a", "u1", ("x",))[:] = values
    f.createVariable("b", "u1", ("x",))
with h5py.File("x.nc", "a") as f:
    f["b"][:] = values
    by_netcdf4, by_h5py = f["a"][:], f["b"][:]
print("values               ", *values)
print('x.astype("u1")[:]    ', *by_hdf5)
print('x[:].astype("u1")    ', *by_numpy)
print("h5py wrote to u1     ", *written)
print("one netCDF-4 file: h5py wrote", *by_h5py, "and netCDF4-python", *by_netcdf4)
clipped, wrapped = [5, 255, 255, 255, 0], [5, 255, 0, 44, 255]
raise SystemExit(not (by_hdf5.tolist() == written.tolist() == by_h5py.tolist() == clipped and
                      by_numpy.tolist() == by_netcdf4.tolist() == wrapped))
P
