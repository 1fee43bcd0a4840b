#!/usr/bin/env bash
# Expected: MPI_Abort with an error code that is not 0 makes mpirun fail: it prints the code and
#           says that the job was aborted.
# Happens:  it prints all that, and its exit status is the code modulo 256: MPI_Abort(comm, 256),
#           or 512, or 1000 * 256, is success for the shell, for make and for a scheduler's
#           dependency. Codes that are built as "module << 8 | detail" meet it whenever the detail
#           is 0. MPI asks only for an attempt to hand the code on; nothing here keeps it from
#           becoming 0.
# Source:   Open MPI 4.1.4 (Debian openmpi-bin, libopenmpi3), MPI_Abort and mpirun (orterun).
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
apt-get -qq -o APT::Sandbox::User=root download \
  openmpi-bin=4.1.4-3+b1 openmpi-common=4.1.4-3 libopenmpi3=4.1.4-3+b1 \
  libopenmpi-dev=4.1.4-3+b1 ||
  { echo "cannot download the packages; nothing was checked"; exit 2; }
for deb in *.deb; do dpkg -x "$deb" .; done
echo "packages:" *.deb
lib=$tmp/usr/lib/x86_64-linux-gnu
export LD_LIBRARY_PATH=$lib:$lib/openmpi/lib OPAL_PREFIX=$tmp/usr TMPDIR=$tmp
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
cat >try.c <<'C'
#include <mpi.h>
#include <stdlib.h>
int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  MPI_Abort(MPI_COMM_WORLD, atoi(argv[1]));
}
C
gcc -I"$lib/openmpi/include" try.c -o try -L"$lib/openmpi/lib" -lmpi
usr/bin/mpirun.openmpi --version | sed -n 1p
statuses=
for code in 1 255 256 512; do
  status=0
  timeout 60 usr/bin/mpirun.openmpi --oversubscribe -n 2 ./try $code >out 2>&1 || status=$?
  grep "with errorcode" out || true
  echo "MPI_Abort with $code: mpirun's status $status"
  statuses+=" $status"
done
[ "$statuses" = " 1 255 0 0" ] || { echo "changed: mpirun's status after MPI_Abort(256)"; exit 1; }
