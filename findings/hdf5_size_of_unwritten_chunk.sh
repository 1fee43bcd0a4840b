#!/usr/bin/env bash
# Expected: the stored size of a chunk that nobody has written is 0. The header says that the size
#           may be zero if there is no storage yet.
# Happens:  once one chunk of the dataset is stored, H5Dget_chunk_storage_size fails for each chunk
#           that is not ("chunk storage is not allocated"). H5Dget_chunk_info_by_coord, asked the
#           same, succeeds with size 0 and address HADDR_UNDEF. A loop that adds up sizes and
#           checks its calls stops at the first hole of a sparse dataset.
# Source:   HDF5 1.10.8 (Debian libhdf5-103-1), H5D__get_chunk_storage_size, src/H5Dchunk.c.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
apt-get -qq -o APT::Sandbox::User=root download \
  libhdf5-103-1=1.10.8+repack1-1 libhdf5-dev=1.10.8+repack1-1 ||
  { echo "cannot download the packages; nothing was checked"; exit 2; }
for deb in *.deb; do dpkg -x "$deb" .; done
echo "packages:" *.deb
lib=$tmp/usr/lib/x86_64-linux-gnu
cat >try.c <<'C'
#include <hdf5.h>
#include <stdio.h>
int main(void) {
  unsigned major, minor, release;
  H5get_libversion(&major, &minor, &release);
  printf("HDF5 %u.%u.%u\n", major, minor, release);
  hsize_t dims[1] = {100}, chunk[1] = {10}, written[1] = {0}, hole[1] = {50}, count[1] = {1};
  hid_t file = H5Fcreate("sparse.h5", H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  hid_t space = H5Screate_simple(1, dims, NULL), one = H5Screate(H5S_SCALAR);
  hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_chunk(plist, 1, chunk);
  hid_t set = H5Dcreate2(file, "x", H5T_NATIVE_INT, space, H5P_DEFAULT, plist, H5P_DEFAULT);

  hsize_t size = 99;
  H5E_auto2_t report;
  void* data;
  H5Eget_auto2(H5E_DEFAULT, &report, &data);
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  herr_t empty = H5Dget_chunk_storage_size(set, hole, &size);
  printf("nothing written yet:  H5Dget_chunk_storage_size gives %d, size %llu\n", empty,
         (unsigned long long)size);

  int value = 7;
  H5Sselect_hyperslab(space, H5S_SELECT_SET, written, NULL, count, NULL);
  H5Dwrite(set, H5T_NATIVE_INT, one, space, H5P_DEFAULT, &value);
  H5Fflush(file, H5F_SCOPE_LOCAL);
  H5Eset_auto2(H5E_DEFAULT, report, data);
  size = 99;
  herr_t full = H5Dget_chunk_storage_size(set, written, &size);
  printf("the written chunk:    H5Dget_chunk_storage_size gives %d, size %llu\n", full,
         (unsigned long long)size);
  fflush(stdout);
  herr_t missing = H5Dget_chunk_storage_size(set, hole, &size);
  printf("an unwritten chunk:   H5Dget_chunk_storage_size gives %d\n", missing);
  unsigned mask;
  haddr_t address = 0;
  size = 99;
  herr_t info = H5Dget_chunk_info_by_coord(set, hole, &mask, &address, &size);
  printf("the same chunk:       H5Dget_chunk_info_by_coord gives %d, size %llu, %s\n", info,
         (unsigned long long)size, address == HADDR_UNDEF ? "HADDR_UNDEF" : "an address");
  H5Fclose(file);
  return full == 0 && missing < 0 && info == 0 && size == 0 && address == HADDR_UNDEF ? 0 : 1;
}
C
export LD_LIBRARY_PATH=$lib
gcc -I"$tmp/usr/include/hdf5/serial" try.c -o try -L"$lib/hdf5/serial" -lhdf5
./try 2>&1 || { echo "changed: an unwritten chunk is no longer an error"; exit 1; }
