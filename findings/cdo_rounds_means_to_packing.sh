#!/usr/bin/env bash
# Expected: a mean that CDO writes to a file is the mean that CDO prints: its results are floating
#           point numbers.
# Happens:  a result keeps the packing of the input, type, scale_factor and add_offset. The mean of 23.3,
#           23.3 and 23.4 in shorts of 0.1 is written as 23.3; a standard deviation of 0.04 is written as
#           0; CDO says nothing. (Printed, or with "-b F64", the values are right.)
# Source:   CDO 2.1.1 (Debian cdo), any operator that writes a file.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
apt-get -qq -o APT::Sandbox::User=root download cdo=2.1.1-1+deb12u1 libcdi0=2.1.1-1+deb12u1 libnetcdf19=1:4.9.0-3+b1 netcdf-bin=1:4.9.0-3+b1 ||
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
data:
  time = 0, 1, 2 ; lat = 0 ; lon = 0 ;
  t = 233, 233, 234 ;
}
C
ncgen -k nc4 -o in.nc in.cdl
cdo --version 2>&1 | head -n 1
value() { cdo -s outputf,%.4f,1 "$@" | tr -d ' '; }
seen=
for operator in timmean timstd; do
  cdo -s -$operator in.nc out.nc
  cdo -s -b F64 -$operator in.nc wide.nc
  line="$operator printed $(value -$operator in.nc), written $(value out.nc)"
  line+=", written with -b F64 $(value wide.nc)"
  echo "$line"
  seen+="$line;"
done
[ "$seen" = "timmean printed 23.3333, written 23.3000, written with -b F64 23.3333;`
  `timstd printed 0.0471, written 0.0000, written with -b F64 0.0471;" ] ||
  { echo "changed: what CDO writes for packed input"; exit 1; }
