#!/usr/bin/env bash
# Expected: a process whose TCP transport is told to use the loopback interface only listens there,
#           on a port that the kernel picks, so that a late connection meant for a process that has
#           ended does not reach another one.
# Happens:  it listens on 0.0.0.0, on the first free port from 1024 up; btl_tcp_if_include chooses
#           only the addresses that are told to the peers. The process that starts next after it
#           has ended gets the same port. Two programs of one node walk over the same low ports,
#           where a site's own services may want to start.
# Source:   Open MPI 4.1.4 (Debian libopenmpi3), TCP BTL, mca_btl_tcp_component_create_listen,
#           opal/mca/btl/tcp/btl_tcp_component.c; defaults of btl_tcp_port_min_v4 and _range_v4.
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
#include <dirent.h>
#include <mpi.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
/* Whether the socket with this inode is open in this process. */
static int mine(const char* inode) {
  int found = 0;
  DIR* open_files = opendir("/proc/self/fd");
  for (struct dirent* entry; (entry = readdir(open_files));) {
    char path[300], target[100], wanted[100];
    snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
    snprintf(wanted, sizeof wanted, "socket:[%s]", inode);
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length > 0) target[length] = 0;
    found |= length > 0 && !strcmp(target, wanted);
  }
  closedir(open_files);
  return found;
}
int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  FILE* table = fopen("/proc/net/tcp", "r");
  char line[300], inode[32];
  unsigned address, port, state;
  while (fgets(line, sizeof line, table))
    if (sscanf(line, " %*d: %x:%x %*x:%*x %x %*s %*s %*s %*s %*s %31s", &address, &port, &state,
               inode) == 4 && state == 10 && mine(inode))
      printf("%u.%u.%u.%u:%u\n", address & 255, address >> 8 & 255, address >> 16 & 255,
             address >> 24, port);
  fclose(table);
  MPI_Finalize();
}
C
gcc -I"$lib/openmpi/include" try.c -o try -L"$lib/openmpi/lib" -lmpi
export OMPI_MCA_pml=ob1 OMPI_MCA_btl=tcp,self OMPI_MCA_btl_tcp_if_include=lo
usr/bin/ompi_info --version | sed -n 1p
# A network namespace where possible: there nothing else takes or frees the ports meanwhile.
twice='ip link set lo up 2>/dev/null; for i in 1 2; do ./try; done'
alone=(unshare -rn)
"${alone[@]}" true 2>/dev/null || alone=()
"${alone[@]}" bash -c "$twice" >listens
echo "btl_tcp_if_include=lo, ports for ordinary use:" \
  "$(tr '\t' '-' </proc/sys/net/ipv4/ip_local_port_range)"
echo "two processes, one after the other, listen on:" $(cat listens)
[ "$(grep -c '^0\.0\.0\.0:10[2-9][0-9]$' listens)" = 2 ] && [ "$(sort -u listens | wc -l)" = 1 ] ||
  { echo "changed: no longer the same low port on all interfaces"; exit 1; }
