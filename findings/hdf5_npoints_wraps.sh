#!/usr/bin/env bash
# Expected: the number of elements of a dataspace that has more than 2^64 of them is an error.
# Happens:  H5Sget_simple_extent_npoints multiplies modulo 2^64 and reports success: 0 elements for
#           2^40 x 2^40, 2^32 elements for (2^40 + 1) x 2^32. Such a chunked dataset is usable (it
#           stores and returns values), so "0 means empty" and "n elements fit" are both wrong.
# Source:   HDF5 1.10.8 (Debian libhdf5-103-1), H5Sget_simple_extent_npoints and
#           H5Sget_select_npoints, src/H5S.c.
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
static long long points(hsize_t rows, hsize_t columns) {
  hsize_t dims[2] = {rows, columns};
  hid_t space = H5Screate_simple(2, dims, NULL);
  long long all = H5Sget_simple_extent_npoints(space), selected = H5Sget_select_npoints(space);
  printf("%llu x %llu: npoints %lld, selected %lld\n", (unsigned long long)rows,
         (unsigned long long)columns, all, selected);
  H5Sclose(space);
  return all;
}
int main(void) {
  unsigned major, minor, release;
  H5get_libversion(&major, &minor, &release);
  printf("HDF5 %u.%u.%u\n", major, minor, release);
  const hsize_t big = 1ULL << 40, half = 1ULL << 32;
  long long square = points(big, big), wide = points(big + 1, half);

  hsize_t dims[2] = {big + 1, half}, chunk[2] = {64, 64}, last[2] = {big, half - 1};
  hid_t file = H5Fcreate("big.h5", H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  hid_t space = H5Screate_simple(2, dims, NULL), one = H5Screate(H5S_SCALAR);
  hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_chunk(plist, 2, chunk);
  hid_t set = H5Dcreate2(file, "x", H5T_NATIVE_INT, space, H5P_DEFAULT, plist, H5P_DEFAULT);
  H5Sselect_elements(space, H5S_SELECT_SET, 1, last);
  int in = 42, out = 0;
  H5Dwrite(set, H5T_NATIVE_INT, one, space, H5P_DEFAULT, &in);
  H5Dread(set, H5T_NATIVE_INT, one, space, H5P_DEFAULT, &out);
  printf("the last element of the second, written as 42, is read as %d\n", out);
  H5Fclose(file);
  return square == 0 && wide == 1LL << 32 && out == 42 ? 0 : 1;
}
C
export LD_LIBRARY_PATH=$lib
gcc -I"$tmp/usr/include/hdf5/serial" try.c -o try -L"$lib/hdf5/serial" -lhdf5
./try || { echo "changed: the count of elements no longer wraps"; exit 1; }
