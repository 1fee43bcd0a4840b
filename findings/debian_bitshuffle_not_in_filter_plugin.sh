#!/usr/bin/env bash
# Expected: Debian's hdf5-filter-plugin, whose description lists LZ4, BZip2 and Bitshuffle, lets
#           HDF5 read data compressed with Bitshuffle.
# Happens:  it holds the plugins of the other two only, and reading ends with "required filter ...
#           is not registered", as if nothing were installed. The plugin is in the package
#           bitshuffle, whose description speaks of typed binary data and does not name HDF5.
# Source:   Debian 12, hdf5-filter-plugin 0.0~git20221111.49e3b65-4 and bitshuffle 0.3.5-4+b3, with
#           HDF5 1.10.8 and h5py 3.7.0.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
apt-get -qq -o APT::Sandbox::User=root download \
  libhdf5-103-1=1.10.8+repack1-1 python3-h5py=3.7.0-8 python3-h5py-serial=3.7.0-8 \
  hdf5-filter-plugin=0.0~git20221111.49e3b65-4 bitshuffle=0.3.5-4+b3 ||
  { echo "cannot download the packages; nothing was checked"; exit 2; }
for deb in *.deb; do dpkg -x "$deb" .; done
echo "packages:" *.deb
lib=$tmp/usr/lib/x86_64-linux-gnu
export LD_LIBRARY_PATH=$lib PYTHONNOUSERSITE=1 PYTHONPATH=$tmp/usr/lib/python3/dist-packages
cat >try.py <<'P'
import h5py, sys
try:
    if sys.argv[1] == "write":
        with h5py.File("x.h5", "w") as f:  # 32008 is Bitshuffle's registered number
            f.create_dataset("x", data=range(1000), chunks=(100,), compression=32008)
    with h5py.File("x.h5") as f:
        print(sys.argv[1], "works:", f["x"][:3])
except OSError as error:
    print(sys.argv[1], "fails:", error)
P
for package in bitshuffle hdf5-filter-plugin; do
  mkdir $package
  dpkg -x ${package}_*.deb $package
  echo "$package, \"$(dpkg -f ${package}_*.deb Description | sed -n 1p)\", has" \
    $(find $package -path '*serial/plugins/*.so' -printf '%f ')
done
plugins=usr/lib/x86_64-linux-gnu/hdf5/serial/plugins
HDF5_PLUGIN_PATH=$tmp/bitshuffle/$plugins /usr/bin/python3 try.py write |
  sed 's/^/bitshuffle: /' | tee seen
HDF5_PLUGIN_PATH=$tmp/hdf5-filter-plugin/$plugins /usr/bin/python3 try.py read |
  sed 's/^/hdf5-filter-plugin: /' | tee -a seen
dpkg -f hdf5-filter-plugin_*.deb Description | grep Bitshuffle >/dev/null &&
  grep -q 'bitshuffle: write works' seen && grep -q 'plugin: read fails' seen ||
  { echo "changed: which package reads Bitshuffle"; exit 1; }
