#!/usr/bin/env bash
# Expected: an external link to a file that is there, and that can be read, is not reported as
#           missing; or the error says what is the matter.
# Happens:  while a SWMR writer has the target open, h5ls calls the link "NOT FOUND", and h5py
#           raises KeyError "unable to open file"; "is the link there?" answers True. The target
#           opened by itself says what it is (open for write). The cure is hidden: if the file that
#           holds the link (which nobody writes) is opened in SWMR mode, the link works. When the
#           writer closes, the link works in both modes.
# Source:   HDF5 1.10.8 (Debian libhdf5-103-1, hdf5-tools), external link traversal passes the
#           parent's access flags on, src/H5Lexternal.c; h5py 3.7.0.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
apt-get -qq -o APT::Sandbox::User=root download \
  libhdf5-103-1=1.10.8+repack1-1 hdf5-tools=1.10.8+repack1-1 python3-h5py=3.7.0-8 \
  python3-h5py-serial=3.7.0-8 ||
  { echo "cannot download the packages; nothing was checked"; exit 2; }
for deb in *.deb; do dpkg -x "$deb" .; done
echo "packages:" *.deb
lib=$tmp/usr/lib/x86_64-linux-gnu
export LD_LIBRARY_PATH=$lib PYTHONNOUSERSITE=1 PYTHONPATH=$tmp/usr/lib/python3/dist-packages
cat >reader.py <<'P'
import h5py, sys
def attempt(title, action):
    try:
        print(f"  {title}: {action()}")
        return True
    except (OSError, KeyError) as error:
        print(f"  {title}: {type(error).__name__}: {error}")
        return False
def linked(swmr):
    with h5py.File("main.h5", "r", swmr=swmr) as f:
        return f["link"][:3]
def direct(swmr):
    with h5py.File("target.h5", "r", swmr=swmr) as f:
        return f["x"][:3]
seen = [attempt("target itself, plain", lambda: direct(False)),
        attempt("target itself, SWMR", lambda: direct(True)),
        attempt("by the link, main file plain", lambda: linked(False)),
        attempt("by the link, main file SWMR", lambda: linked(True))]
sys.exit(seen != [c == "1" for c in sys.argv[1]])
P
/usr/bin/python3 - <<'P' || { echo "changed: the link to the file of a SWMR writer"; exit 1; }
import h5py, subprocess, sys
print("h5py", h5py.version.version, "with HDF5", h5py.version.hdf5_version)
def reader(expected):
    sys.stdout.flush()
    return subprocess.run([sys.executable, "reader.py", expected]).returncode == 0
with h5py.File("main.h5", "w", libver="latest") as f:
    f["link"] = h5py.ExternalLink("target.h5", "/x")
with h5py.File("target.h5", "w", libver="latest") as f:
    f.create_dataset("x", data=range(10), chunks=(5,), maxshape=(None,))
    f.swmr_mode = True
    print("while a SWMR writer has target.h5 open:")
    hidden = reader("0101")
    listing = subprocess.run(["usr/bin/h5ls", "-E", "main.h5"], capture_output=True, text=True)
    print("  h5ls -E main.h5:", listing.stdout.strip())
print("after it has closed the file:")
shown = reader("1111")
sys.exit(not (hidden and shown and "NOT FOUND" in listing.stdout))
P
