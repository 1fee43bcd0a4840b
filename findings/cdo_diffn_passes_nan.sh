#!/usr/bin/env bash
# Expected: "cdo diffn A B", as a test of two results, has a status other than 0 when B is not A.
# Happens:  the status is 1 for a changed number, but 0 when the number has become NaN, when B has
#           other dates, when its variable has another name, and when it ends half-way through (a
#           warning is all). The first three pass without a word: a run that ended in NaNs equals
#           any reference.
# Source:   CDO 2.1.1 (Debian cdo), operators diffn and diff.
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
file() { # NAME TIMES VALUES VARIABLE
  cat <<C | ncgen -k nc4 -o $1.nc
netcdf $1 {
dimensions: time = UNLIMITED ; lat = 1 ; lon = 1 ;
variables:
  double time(time) ; time:units = "days since 2000-01-01" ;
  double lat(lat) ; lat:units = "degrees_north" ;
  double lon(lon) ; lon:units = "degrees_east" ;
  double $4(time, lat, lon) ; $4:_FillValue = -9. ;
data:
  time = $2 ; lat = 0 ; lon = 0 ; $4 = $3 ;
}
C
}
file reference "0, 1, 2, 3" "1, 2, 3, 4" t
file same "0, 1, 2, 3" "1, 2, 3, 4" t
file other_number "0, 1, 2, 3" "1, 2, 3, 5" t
file missing_value "0, 1, 2, 3" "1, 2, 3, -9" t
file nan "0, 1, 2, 3" "1, 2, NaN, NaN" t
file other_dates "0, 1, 2, 300" "1, 2, 3, 4" t
file other_name "0, 1, 2, 3" "1, 2, 3, 4" q
file half "0, 1" "1, 2" t
cdo --version 2>&1 | sed -n 1p
statuses=
for name in same other_number missing_value nan other_dates other_name half; do
  status=0
  cdo -s diffn reference.nc $name.nc >out 2>&1 || status=$?
  echo "diffn reference.nc $name.nc: status $status $(xargs <out)"
  statuses+=" $status"
done
[ "$statuses" = " 0 1 1 0 0 0 0" ] || { echo "changed: cdo diffn's status"; exit 1; }
