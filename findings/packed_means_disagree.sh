#!/usr/bin/env bash
# Expected: CDO, NCO, netCDF4-python and xarray take the same mean of the same small, valid packed
#           variable: the attributes that mark missing and packed data are old conventions.
# Happens:  they agree on _FillValue with scale_factor, and on little else. xarray warns
#           of the case "both"; nothing else is said.
#           - missing_value without _FillValue: NCO averages the marked value as data.
#           - both attributes, with different values: CDO and NCO go by _FillValue alone, the two
#             Python libraries by both.
#           - valid_range: only netCDF4-python masks what is outside.
#           - _Unsigned: NCO averages signed bytes.
#           - a short of -32767 and no attribute at all: netCDF4-python masks it, since it is the
#             library's default fill value; for the others it is a number.
# Source:   CDO 2.1.1, NCO 5.1.4 (ncwa), netCDF4-python 1.6.2, xarray 2023.01.0 (Debian 12).
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
cat >packed.cdl <<'C'
netcdf packed {
dimensions: time = UNLIMITED ; lat = 1 ; lon = 1 ;
variables:
  double time(time) ; time:units = "days since 2000-01-01" ;
  double lat(lat) ; lat:units = "degrees_north" ;
  double lon(lon) ; lon:units = "degrees_east" ;
  short fill(time, lat, lon) ; fill:scale_factor = 0.1 ; fill:_FillValue = -999s ;
  short missing(time, lat, lon) ; missing:scale_factor = 0.1 ; missing:missing_value = -999s ;
  short both(time, lat, lon) ; both:scale_factor = 0.1 ; both:_FillValue = -999s ;
    both:missing_value = -888s ;
  short range(time, lat, lon) ; range:scale_factor = 0.1 ; range:valid_range = 0s, 1000s ;
  byte unsigned(time, lat, lon) ; unsigned:scale_factor = 0.1 ; unsigned:_Unsigned = "true" ;
  short default(time, lat, lon) ; default:scale_factor = 0.1 ;
data:
  time = 0, 1, 2, 3 ; lat = 0 ; lon = 0 ;
  fill = 100, 200, 400, -999 ;
  missing = 100, 200, 400, -999 ;
  both = 100, 200, -888, -999 ;
  range = 100, 200, 400, 5000 ;
  unsigned = 10, 20, 40, -58 ;
  default = 100, 200, 400, -32767 ;
}
C
ncgen -k nc4 -o packed.nc packed.cdl
cat >means.py <<'P'
import netCDF4, sys, warnings, xarray
warnings.simplefilter("ignore")
name = sys.argv[1]
print(f"{netCDF4.Dataset('packed.nc')[name][:].mean():.1f} "
      f"{float(xarray.open_dataset('packed.nc')[name].mean()):.1f}")
P
{ cdo --version 2>&1; ncwa --version 2>&1; } | grep -E -o 'Climate Data.*|NCO.* version [0-9.]*'
printf '%-9s %8s %8s %8s %8s\n' variable CDO NCO netCDF4 xarray | tee seen
for name in fill missing both range unsigned default; do
  ncwa -O -a time,lat,lon -v $name packed.nc mean.nc
  printf '%-9s %8s %8s %8s %8s\n' $name \
    "$(cdo -s outputf,%.1f,1 -timmean -selname,$name packed.nc | tr -d ' ')" \
    "$(ncdump -v $name mean.nc | sed -n "s/^ $name = \(.*\) ;/\1/p" | xargs printf '%.1f')" \
    $(/usr/bin/python3 -W ignore means.py $name)
done | tee -a seen
diff seen - <<'S' || { echo "changed: the tools' means"; exit 1; }
variable       CDO      NCO  netCDF4   xarray
fill          23.3     23.3     23.3     23.3
missing       23.3     -7.5     23.3     23.3
both         -19.6    -19.6     15.0     15.0
range        142.5    142.5     23.3    142.5
unsigned       6.7      0.3      6.7      6.7
default     -801.7   -801.7     23.3   -801.7
S
