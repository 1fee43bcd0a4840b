#!/usr/bin/env bash
# Expected: with mpirun --enable-recovery, a rank that ends with status 0 but without MPI_Finalize
#           is either an error, with a non-zero status of mpirun, or it is none and mpirun is
#           silent.
# Happens:  mpirun prints "PMIX ERROR: BAD-PARAM in file .../pmix_event_notification.c" and ends
#           with 0. The message names neither the rank nor MPI_Finalize, and looks like a fault of
#           the installation. A rank that calls PMIx_Finalize of libpmix before it ends, and not
#           MPI_Finalize either, passes without a word.
# Source:   Open MPI 4.1.4 (Debian openmpi-bin) with PMIx 4.2.2 (libpmix2).
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
apt-get -qq -o APT::Sandbox::User=root download \
  openmpi-bin=4.1.4-3+b1 openmpi-common=4.1.4-3 libopenmpi3=4.1.4-3+b1 \
  libopenmpi-dev=4.1.4-3+b1 libpmix2=4.2.2-1+deb12u1 libpmix-dev=4.2.2-1+deb12u1 ||
  { echo "cannot download the packages; nothing was checked"; exit 2; }
for deb in *.deb; do dpkg -x "$deb" .; done
echo "packages:" *.deb
lib=$tmp/usr/lib/x86_64-linux-gnu
export LD_LIBRARY_PATH=$lib:$lib/openmpi/lib OPAL_PREFIX=$tmp/usr TMPDIR=$tmp
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
cat >try.c <<'C'
#include <mpi.h>
#include <pmix.h>
#include <unistd.h>
int main(int argc, char** argv) {
  int rank;
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  if (rank == 0) return MPI_Finalize();
  if (argc > 1) PMIx_Finalize(NULL, 0);
  _exit(0);
}
C
gcc -I"$lib/openmpi/include" -I"$lib/pmix2/include" try.c -o try -L"$lib/openmpi/lib" -lmpi \
  -L"$lib/pmix2/lib" -lpmix
run() { timeout 60 usr/bin/mpirun.openmpi --oversubscribe -n 2 "$@"; }
usr/bin/mpirun.openmpi --version | sed -n 1p
plain=0
run ./try >plain.out 2>&1 || plain=$?
echo "rank 1 just ends, no --enable-recovery: status $plain"
bare=0
run --enable-recovery ./try >bare.out 2>&1 || bare=$?
echo "rank 1 just ends, --enable-recovery: status $bare, output: $(cat bare.out)"
told=0
run --enable-recovery ./try pmix >told.out 2>&1 || told=$?
echo "rank 1 calls PMIx_Finalize, --enable-recovery: status $told, output: $(cat told.out)"
[ $plain != 0 ] && [ $bare = 0 ] && grep -q BAD-PARAM bare.out && [ $told = 0 ] &&
  [ ! -s told.out ] ||
  { echo "changed: what mpirun says of a rank that ends without MPI_Finalize"; exit 1; }
