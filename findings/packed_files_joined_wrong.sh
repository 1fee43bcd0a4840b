#!/usr/bin/env bash
# Expected: joining two packed files along time, with a tool that decodes scale_factor, keeps the
#           values; or it fails.
# Happens:  where the files have different scale factors (archives that pack each file by its own
#           range), xarray shows the right values after open_mfdataset and to_netcdf writes other
#           ones: it packs all with the first file's factor and lets the shorts wrap: 1000 becomes
#           -310.72. ncrcat copies the packed numbers under the first factor: 1000 becomes 100.
#           Both succeed without a warning. CDO mergetime fails, with a message.
# Source:   xarray 2023.01.0, NCO 5.1.4 (ncrcat), CDO 2.1.1 (Debian 12).
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
apt-get -qq -o APT::Sandbox::User=root download \
  cdo=2.1.1-1+deb12u1 libcdi0=2.1.1-1+deb12u1 nco=5.1.4-1+deb12u1 libnetcdf19=1:4.9.0-3+b1 \
  netcdf-bin=1:4.9.0-3+b1 python3-netcdf4=1.6.2-1+b1 python3-xarray=2023.01.0-1.1 \
  python3-numpy=1:1.24.2-1+deb12u1 ||
  { echo "cannot download the packages; nothing was checked"; exit 2; }
for deb in *.deb; do dpkg -x "$deb" .; done
echo "packages:" *.deb
lib=$tmp/usr/lib/x86_64-linux-gnu
export LD_LIBRARY_PATH=$lib:$tmp/usr/lib/nco
export PYTHONNOUSERSITE=1 PYTHONPATH=$tmp/usr/lib/python3/dist-packages
PATH=$tmp/usr/bin:$PATH
file() { # NAME TIMES FACTOR PACKED
  cat <<C | ncgen -k nc4 -o $1.nc
netcdf $1 {
dimensions: time = UNLIMITED ; lat = 1 ; lon = 1 ;
variables:
  double time(time) ; time:units = "days since 2000-01-01" ;
  double lat(lat) ; lat:units = "degrees_north" ;
  double lon(lon) ; lon:units = "degrees_east" ;
  short t(time, lat, lon) ; t:scale_factor = $3 ; t:_FillValue = -32768s ;
data:
  time = $2 ; lat = 0 ; lon = 0 ; t = $4 ;
}
C
}
file first "0, 1" 0.01 "1000, 2000"
file second "2, 3" 0.1 "10000, 20000"
values() { cdo -s outputf,%.2f,4 "$1" | xargs; }
echo "inputs:       $(values first.nc) and $(values second.nc)"
ncrcat first.nc second.nc nco.nc 2>nco.err
echo "ncrcat:       $(values nco.nc)  $(cat nco.err)"
cdo_status=0
cdo -s mergetime first.nc second.nc cdo.nc 2>cdo.err || cdo_status=$?
echo "cdo:          status $cdo_status, $(grep -i error cdo.err)"
/usr/bin/python3 - <<'P' | tee xarray.out
import warnings
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the imports, not of what follows
    import xarray
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    both = xarray.open_mfdataset(["first.nc", "second.nc"])
    print("xarray shows:", *both.t.values.ravel())
    both.to_netcdf("xarray.nc")
for warning in told:
    if "xarray" in warning.filename: print("xarray warns:", warning.message)
P
echo "xarray wrote: $(values xarray.nc)"
[ "$(values nco.nc)" = "10.00 20.00 100.00 200.00" ] && [ ! -s nco.err ] && [ $cdo_status != 0 ] &&
  ! grep -q warns xarray.out && [ "$(values xarray.nc)" = "10.00 20.00 -310.72 33.92" ] ||
  { echo "changed: joining files of different packing"; exit 1; }
