#!/usr/bin/env bash
# Expected: a mean that CDO writes to a file is the mean that CDO prints: its results are floating
#           point numbers.
# Happens:  a result keeps the input's type, scale_factor and add_offset. The mean of 23.3, 23.3
#           and 23.4 in shorts of 0.1 is written as 23.3 and their standard deviation, 0.047, as 0;
#           the mean of an integer flag 0, 0, 1 is written as 0. CDO says nothing. (Printed, or
#           with "-b F64", the values are right.)
# Source:   CDO 2.1.1 (Debian cdo), any operator that writes a file.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
apt-get -qq -o APT::Sandbox::User=root download \
  cdo=2.1.1-1+deb12u1 libcdi0=2.1.1-1+deb12u1 libnetcdf19=1:4.9.0-3+b1 netcdf-bin=1:4.9.0-3+b1 ||
  { echo "cannot download the packages; nothing was checked"; exit 2; }
for deb in *.deb; do dpkg -x "$deb" .; done
echo "packages:" *.deb
lib=$tmp/usr/lib/x86_64-linux-gnu
export LD_LIBRARY_PATH=$lib
PATH=$tmp/usr/bin:$PATH
cat >in.cdl <<'C'
netcdf in {
dimensions: time = UNLIMITED ; lat = 1 ; lon = 1 ;
variables:
  double time(time) ; time:units = "days since 2000-01-01" ;
  double lat(lat) ; lat:units = "degrees_north" ;
  double lon(lon) ; lon:units = "degrees_east" ;
  short t(time, lat, lon) ; t:scale_factor = 0.1 ;
  int flag(time, lat, lon) ;
data:
  time = 0, 1, 2 ; lat = 0 ; lon = 0 ;
  t = 233, 233, 234 ;
  flag = 0, 0, 1 ;
}
C
ncgen -k nc4 -o in.nc in.cdl
cdo --version 2>&1 | sed -n 1p
value() { cdo -s outputf,%.4f,1 "$@" | tr -d ' '; }
for try in timmean,t timstd,t timmean,flag; do
  operator=${try%,*} name=${try#*,}
  cdo -s -$operator -selname,$name in.nc out.nc
  cdo -s -b F64 -$operator -selname,$name in.nc wide.nc
  echo "$operator of $name: printed $(value -$operator -selname,$name in.nc)," \
    "written $(value out.nc), written with -b F64 $(value wide.nc)"
done | tee seen
diff seen - <<'S' || { echo "changed: what CDO writes for packed and integer input"; exit 1; }
timmean of t: printed 23.3333, written 23.3000, written with -b F64 23.3333
timstd of t: printed 0.0471, written 0.0000, written with -b F64 0.0471
timmean of flag: printed 0.3333, written 0.0000, written with -b F64 0.3333
S
