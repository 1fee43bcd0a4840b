#!/usr/bin/env bash
# Expected: the same xarray call on the same array gives the same value (but for the last digits)
#           on two machines with the same xarray and numpy.
# Happens:  where python3-bottleneck is installed (xarray's package recommends it), xarray hands
#           some reductions to it, and for float32 they differ grossly. The standard deviation of a
#           million equal values of 300.1 is 1.18 instead of about 0, since the float32 sums run
#           element by element. After one value of 1e10, a moving mean over 3 ones is 0 to the end
#           of the series, since the window is kept as one running sum.
# Source:   xarray 2023.01.0 (xarray/core/nputils.py, rolling.py) with bottleneck 1.3.5 (nanstd,
#           move_mean); xarray.set_options(use_bottleneck=False) shows the other machine.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
apt-get -qq -o APT::Sandbox::User=root download \
  python3-xarray=2023.01.0-1.1 python3-bottleneck=1.3.5+ds1-2+b1 \
  python3-numpy=1:1.24.2-1+deb12u1 ||
  { echo "cannot download the packages; nothing was checked"; exit 2; }
for deb in *.deb; do dpkg -x "$deb" .; done
echo "packages:" *.deb
lib=$tmp/usr/lib/x86_64-linux-gnu
export LD_LIBRARY_PATH=$lib PYTHONNOUSERSITE=1 PYTHONPATH=$tmp/usr/lib/python3/dist-packages
/usr/bin/python3 -W ignore - <<'P' || { echo "changed: bottleneck makes no difference"; exit 1; }
import bottleneck, numpy, xarray
print("numpy", numpy.__version__, "bottleneck", bottleneck.__version__, "xarray", xarray.__file__)
equal = xarray.DataArray(numpy.full(1_000_000, 300.1, "f4"), dims="time")
series = numpy.ones(100, "f4")
series[10] = 1e10
spike = xarray.DataArray(series, dims="time")
seen = {}
for use in True, False:
    with xarray.set_options(use_bottleneck=use):
        deviation = float(equal.std())
        moving = float(spike.rolling(time=3).mean()[-1])
    seen[use] = deviation, moving
    print(f"bottleneck {'used' if use else 'not used'}: std of equal values {deviation:.6f}, "
          f"moving mean of ones, 87 steps after the spike {moving}")
raise SystemExit(not (seen[True][0] > 0.1 and seen[False][0] < 0.001 and
                      seen[True][1] == 0 and seen[False][1] == 1))
P
