#!/usr/bin/env bash
# Expected: reading a whole chunked 3-D dataset costs the same whether the memory dataspace is 3-D
#           or 1-D with as many elements: the order in memory, the bytes and the chunks are the
#           same.
# Happens:  with the 1-D memory dataspace HDF5 visits the elements one by one and takes about ten
#           times the CPU time. Uncompressed data, everything in the page cache.
# Source:   HDF5 1.10.8 (Debian libhdf5-103-1), H5Dread; the ways part in H5D__chunk_io_init,
#           src/H5Dchunk.c.
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
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
static double cpu(void) {
  struct rusage use;
  getrusage(RUSAGE_SELF, &use);
  return use.ru_utime.tv_sec + use.ru_stime.tv_sec +
         1e-6 * (use.ru_utime.tv_usec + use.ru_stime.tv_usec);
}
int main(void) {
  unsigned major, minor, release;
  H5get_libversion(&major, &minor, &release);
  printf("HDF5 %u.%u.%u\n", major, minor, release);
  hsize_t dims[3] = {128, 128, 128}, chunk[3] = {16, 16, 16}, n = 128 * 128 * 128;
  float *cube = malloc(n * sizeof(float)), *line = malloc(n * sizeof(float));
  for (hsize_t i = 0; i < n; i++) cube[i] = i;
  hid_t file = H5Fcreate("cube.h5", H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  hid_t space = H5Screate_simple(3, dims, NULL), flat = H5Screate_simple(1, &n, NULL);
  hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_chunk(plist, 3, chunk);
  hid_t set = H5Dcreate2(file, "x", H5T_NATIVE_FLOAT, space, H5P_DEFAULT, plist, H5P_DEFAULT);
  H5Dwrite(set, H5T_NATIVE_FLOAT, space, space, H5P_DEFAULT, cube);
  double same = 0, other = 0;
  for (int i = 0; i < 10; i++) {
    double start = cpu();
    H5Dread(set, H5T_NATIVE_FLOAT, space, space, H5P_DEFAULT, cube);
    double middle = cpu();
    H5Dread(set, H5T_NATIVE_FLOAT, flat, space, H5P_DEFAULT, line);
    same += middle - start;
    other += cpu() - middle;
  }
  printf("CPU for 10 reads: 3-D memory %.3f s, 1-D memory %.3f s, ratio %.1f; %s values\n", same,
         other, other / same, memcmp(cube, line, n * sizeof(float)) ? "different" : "the same");
  H5Fclose(file);
  return other > 3 * same ? 0 : 1;
}
C
export LD_LIBRARY_PATH=$lib
gcc -I"$tmp/usr/include/hdf5/serial" try.c -o try -L"$lib/hdf5/serial" -lhdf5
./try || { echo "changed: a 1-D memory dataspace costs less than 3 times a 3-D one"; exit 1; }
