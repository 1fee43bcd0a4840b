#!/usr/bin/env bash
# Expected: a total of shorts that does not fit into a short is written in a wider type, or is an
#           error.
# Happens:  NCO stores the total in the type of the input and lets it wrap: of 30000 and 30000 it
#           is -5536, with status 0 and no warning. CDO refuses the same.
# Source:   NCO 5.1.4 (Debian nco), ncra and ncwa; CDO 2.1.1.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
apt-get -qq -o APT::Sandbox::User=root download \
  cdo=2.1.1-1+deb12u1 libcdi0=2.1.1-1+deb12u1 nco=5.1.4-1+deb12u1 libnetcdf19=1:4.9.0-3+b1 \
  netcdf-bin=1:4.9.0-3+b1 ||
  { echo "cannot download the packages; nothing was checked"; exit 2; }
for deb in *.deb; do dpkg -x "$deb" .; done
echo "packages:" *.deb
lib=$tmp/usr/lib/x86_64-linux-gnu
export LD_LIBRARY_PATH=$lib:$tmp/usr/lib/nco
PATH=$tmp/usr/bin:$PATH
cat >in.cdl <<'C'
netcdf in {
dimensions: time = UNLIMITED ;
variables:
  double time(time) ; time:units = "days since 2000-01-01" ;
  short count(time) ;
data:
  time = 0, 1, 2 ; count = 30000, 30000, 0 ;
}
C
ncgen -k nc4 -o in.nc in.cdl
ncra --version 2>&1 | grep -o 'NCO.* version [0-9.]*'
seen=
for tool in ncra "ncwa -a time"; do
  $tool -O -y ttl -v count in.nc out.nc >>said 2>&1
  total=$(ncdump -v count out.nc | sed -n 's/^ count = \(.*\) ;/\1/p')
  echo "$tool -y ttl: total of 30000, 30000, 0 is $total"
  seen+="$total "
done
status=0
cdo -s timsum -selname,count in.nc out.nc >cdo.out 2>&1 || status=$?
echo "cdo timsum: status $status, $(grep Error cdo.out)"
[ "$seen" = "-5536 -5536 " ] && [ ! -s said ] && [ $status != 0 ] ||
  { echo "changed: what NCO stores for integers"; exit 1; }
