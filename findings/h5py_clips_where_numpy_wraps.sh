#!/usr/bin/env bash
# Expected: in h5py, x.astype("u1")[:] is x[:].astype("u1"), and writing an array into a u1 dataset
#           stores what numpy's own conversion gives: h5py speaks numpy's language.
# Happens:  numpy wraps (300 is 44, -1 is 255), HDF5 clips (300 is 255, -1 is 0), and h5py leaves the
#           conversion to HDF5. So two spellings that look alike give different data, both silently,
#           and a checksum or a mask of bits kept in an integer dataset is clipped on the way.
# Source:   h5py 3.7.0 (Dataset.astype, Dataset.__setitem__) with HDF5 1.10.8, numpy 1.24.2.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
apt-get -qq -o APT::Sandbox::User=root download libhdf5-103-1=1.10.8+repack1-1 python3-h5py=3.7.0-8 python3-h5py-serial=3.7.0-8 python3-numpy=1:1.24.2-1+deb12u1 ||
  { echo "cannot download the packages; nothing was checked"; exit 2; }
for deb in *.deb; do dpkg -x "$deb" .; done
echo "packages:" *.deb
lib=$tmp/usr/lib/x86_64-linux-gnu
export LD_LIBRARY_PATH=$lib PYTHONNOUSERSITE=1 PYTHONPATH=$tmp/usr/lib/python3/dist-packages
/usr/bin/python3 - <<'P' || { echo "changed: h5py and numpy convert integers alike"; exit 1; }
import h5py, numpy
print("h5py", h5py.version.version, "HDF5", h5py.version.hdf5_version, "numpy", numpy.__version__)
values = numpy.array([5, 255, 256, 300, -1], "i8")
with h5py.File("x.h5", "w") as f:
    wide = f.create_dataset("wide", data=values)
    narrow = f.create_dataset("narrow", (5,), "u1")
    narrow[:] = values
    by_hdf5, by_numpy, written = wide.astype("u1")[:], wide[:].astype("u1"), narrow[:]
print("values               ", *values)
print('x.astype("u1")[:]    ', *by_hdf5)
print('x[:].astype("u1")    ', *by_numpy)
print("written to u1, read  ", *written)
raise SystemExit(not (by_hdf5.tolist() == written.tolist() == [5, 255, 255, 255, 0] and
                      by_numpy.tolist() == [5, 255, 0, 44, 255]))
P
