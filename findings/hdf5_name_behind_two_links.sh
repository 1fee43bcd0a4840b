#!/usr/bin/env bash
# Expected: H5Fget_name and H5Iget_name of an open object together say where it is: that name,
#           opened in that file, leads to the object again.
# Happens:  for an object that was opened by a soft link which runs through an external link, the
#           file is the second one but the name is the soft link's path in the first. Opening the
#           name in the file fails. (Through the external link alone the pair is right.) In h5py,
#           x.parent raises for the same reason, and (x.file.filename, x.name) as a key of the
#           object is wrong.
# Source:   HDF5 1.10.8 (Debian libhdf5-103-1), H5Iget_name after H5Oopen; h5py 3.7.0.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
apt-get -qq -o APT::Sandbox::User=root download \
  libhdf5-103-1=1.10.8+repack1-1 libhdf5-dev=1.10.8+repack1-1 python3-h5py=3.7.0-8 \
  python3-h5py-serial=3.7.0-8 ||
  { echo "cannot download the packages; nothing was checked"; exit 2; }
for deb in *.deb; do dpkg -x "$deb" .; done
echo "packages:" *.deb
lib=$tmp/usr/lib/x86_64-linux-gnu
cat >try.c <<'C'
#include <hdf5.h>
#include <stdio.h>
#include <string.h>
static int leads_back(hid_t first, const char* path) {
  char file_name[100], name[100];
  hid_t object = H5Oopen(first, path, H5P_DEFAULT);
  H5Fget_name(object, file_name, sizeof file_name);
  H5Iget_name(object, name, sizeof name);
  hid_t file = H5Iget_file_id(object), again = -1;
  H5E_BEGIN_TRY { again = H5Oopen(file, name, H5P_DEFAULT); }
  H5E_END_TRY
  const char* base = strrchr(file_name, '/');
  printf("opened %-9s file %s, name %-10s opened again: %s\n", path, base ? base + 1 : file_name,
         name, again < 0 ? "fails" : "works");
  return again >= 0;
}
int main(void) {
  unsigned major, minor, release;
  H5get_libversion(&major, &minor, &release);
  printf("HDF5 %u.%u.%u\n", major, minor, release);
  hid_t second = H5Fcreate("second.h5", H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  H5Gclose(H5Gcreate2(second, "real", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
  H5Gclose(H5Gcreate2(second, "real/data", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
  H5Fclose(second);
  hid_t first = H5Fcreate("first.h5", H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  H5Lcreate_external("second.h5", "/real", first, "ext", H5P_DEFAULT, H5P_DEFAULT);
  H5Lcreate_soft("/ext/data", first, "soft", H5P_DEFAULT, H5P_DEFAULT);
  int external = leads_back(first, "/ext/data"), soft = leads_back(first, "/soft");
  H5Fclose(first);
  return external && !soft ? 0 : 1;
}
C
export LD_LIBRARY_PATH=$lib
gcc -I"$tmp/usr/include/hdf5/serial" try.c -o try -L"$lib/hdf5/serial" -lhdf5
./try || { echo "changed: the name now leads back to the object"; exit 1; }
PYTHONNOUSERSITE=1 PYTHONPATH=$tmp/usr/lib/python3/dist-packages /usr/bin/python3 - <<'P' ||
import h5py, os
print("h5py", h5py.version.version, "with HDF5", h5py.version.hdf5_version)
with h5py.File("first.h5", "a") as f:
    f["long"] = h5py.SoftLink("/ext")
    x = f["long/data"]
    print("h5py: file", os.path.basename(x.file.filename), "name", x.name, end="; ")
    try:
        print("parent", x.parent)
        raise SystemExit(1)
    except KeyError as error:
        print("parent raises", error)
P
  { echo "changed: h5py finds the parent"; exit 1; }
