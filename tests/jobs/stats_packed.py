#!/usr/bin/python3
"""Checks that cohort-stats honours the attributes of packed data, against numpy.

usage: stats_packed.py PROGRAM [OPTIONS] WORK-FOLDER

Each dataset of a generated file has its values and the number of its masked elements computed here
by the rules of the netCDF conventions. Needs h5py. Exits 0 or 1.
"""

import json
import os
import subprocess
import sys

import h5py
import numpy as np

failures = []


def expect(condition, text):
    if not condition:
        failures.append(text)
        print("FAILED:", text)


def cases():
    """Name, stored array, attributes, values without what is masked, number of masked."""
    rng = np.random.default_rng(3)
    short = rng.integers(-3000, 3000, (70, 90)).astype("i2")
    holes = short.copy()
    holes[::7, ::5] = -32767
    kept = holes[holes != -32767]
    floats = rng.normal(size=5000).astype("f4")
    floats[::10] = np.float32(1e20)
    nans = rng.normal(size=999)
    nans[::9] = np.nan
    nans[1] = np.inf
    byte = np.arange(-128, 128).astype("i1")
    i2, f8 = np.int16, np.float64
    return [
        ("scaled", short, {"scale_factor": 0.01, "add_offset": 273.15}, short * 0.01 + 273.15, 0),
        ("filled", holes, {"scale_factor": 0.01, "add_offset": 5.0, "_FillValue": i2(-32767)},
         kept * 0.01 + 5.0, holes.size - kept.size),
        ("only_filled", holes, {"_FillValue": i2(-32767)}, kept, holes.size - kept.size),
        ("scale_in_float", short, {"scale_factor": np.float32(0.1)}, short * f8(np.float32(0.1)), 0),
        ("missing_list", byte, {"missing_value": np.array([3, 5, 7], "i1")},
         byte[~np.isin(byte, [3, 5, 7])], 3),
        ("both", byte, {"missing_value": np.int8(3), "_FillValue": np.int8(4)},
         byte[~np.isin(byte, [3, 4])], 2),
        ("range", byte, {"valid_range": np.array([-5, 9], "i1")}, np.arange(-5, 10), 256 - 15),
        ("min", byte, {"valid_min": np.int8(100)}, np.arange(100, 128), 228),
        ("max", byte, {"valid_max": np.int8(-100)}, np.arange(-128, -99), 227),
        ("beyond", byte, {"valid_min": np.int16(-1000), "valid_max": np.int16(1000)}, byte, 0),
        ("packed_range", byte, {"scale_factor": 0.5, "valid_range": np.array([-4, 4], "i1")},
         np.arange(-4, 5) * 0.5, 247),
        ("unpacked_range", byte, {"scale_factor": 0.5, "valid_range": np.array([-4.0, 4.0])},
         np.arange(-8, 9) * 0.5, 239),
        ("unsigned", byte, {"_Unsigned": "true", "_FillValue": np.int8(-1)},
         np.sort(byte.view("u1"))[:-1], 1),
        ("unsigned_range", byte, {"_Unsigned": "true", "valid_range": np.array([0, -56], "i1")},
         np.arange(0, 201), 55),
        ("unsigned_scaled", byte, {"_Unsigned": "true", "scale_factor": 2.0}, np.arange(256) * 2.0, 0),
        ("signed", byte.view("u1"), {"_Unsigned": "false"}, byte, 0),
        ("wide_fill", floats, {"_FillValue": 1e20}, floats[floats < 1e19], 500),
        ("float_fill", floats, {"_FillValue": np.float32(1e20)}, floats[floats < 1e19], 500),
        ("nan_fill", nans, {"_FillValue": np.nan}, nans[np.isfinite(nans)], 111),
        ("nan_kept", nans, {"_FillValue": -1.0}, nans[np.isfinite(nans)], 0),
        ("all_masked", np.full(50, 9, "i4"), {"_FillValue": np.int32(9)}, np.array([]), 50),
        ("big_endian", holes.astype(">i2"), {"_FillValue": np.array(-32767, ">i2"), "add_offset": 1.0},
         kept + 1.0, holes.size - kept.size),
        ("int64", np.array([2 ** 62, 2 ** 62 + 1, 2 ** 62 + 2]), {"_FillValue": np.int64(2 ** 62 + 1)},
         np.array([2 ** 62, 2 ** 62 + 2]), 1),
        ("identity", np.array([2 ** 62 + 1]), {"scale_factor": 1.0, "add_offset": 0.0},
         np.array([2 ** 62 + 1]), 0),
        ("text_fill", byte, {"missing_value": "none"}, byte, 0),
        ("overflow", np.array([1.0, 2.0, 3.0]), {"scale_factor": 1e308}, np.array([1e308]), 0),
    ]


def write(path, made):
    with h5py.File(path, "w") as f:
        for name, array, attributes, _, _ in made:
            chunked = {"chunks": (16,) * array.ndim, "compression": "gzip"} if array.size > 60 else {}
            dataset = f.create_dataset(name, data=array, **chunked)
            for key, value in attributes.items():
                dataset.attrs[key] = value
        unstored = f.create_dataset("unstored", (1000, 1000), "i2", chunks=(10, 10), fillvalue=-9)
        unstored.attrs["_FillValue"] = np.int16(-9)
        unstored[3, 4] = 6
        f.create_dataset("bad", data=np.arange(3)).attrs["scale_factor"] = "a tenth"


def run(program, *arguments):
    result = subprocess.run([*program, "--json", *arguments], capture_output=True, text=True, check=False)
    return result.returncode, json.loads(result.stdout)


def check(name, entry, values, masked):
    finite = values[np.isfinite(values)]
    expect(entry["count"] == finite.size, f"{name}: count {entry['count']} != {finite.size}")
    expect(entry["masked"] == masked, f"{name}: masked {entry['masked']} != {masked}")
    if finite.size == 0:
        expect(entry["min"] is None, f"{name}: min {entry['min']}")
        return
    integral = finite.dtype.kind in "iu"
    for key, want in (("min", finite.min()), ("max", finite.max())):
        expect(entry[key] == want.item(), f"{name}: {key} {entry[key]} != {want}")
        expect(isinstance(entry[key], int) == integral, f"{name}: {key} is of another kind")
    for key, want in (("mean", finite.mean(dtype=np.longdouble)), ("std", finite.std(dtype=np.longdouble))):
        expect(abs(entry[key] - want) <= 1e-12 * max(1, abs(want)), f"{name}: {key} {entry[key]} != {want}")
    if finite.astype("f8").min() + 0.5 == finite.astype("f8").min():
        return  # numpy cannot bin integers that are one as doubles
    counts = np.histogram(finite.astype("f8"), 50)[0]
    expect(entry["histogram"]["counts"] == counts.tolist(), f"{name}: histogram")


def main():
    program, folder = [os.path.abspath(sys.argv[1]), *sys.argv[2:-1]], os.path.abspath(sys.argv[-1])
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "packed.h5")
    made = cases()
    write(path, made)
    code, got = run(program, path)
    entries = {entry["dataset"][1:]: entry for entry in got["datasets"]}
    expect(code == 1, f"exit code {code}")
    expect([e["dataset"] for e in got["errors"]] == ["/bad"], f"errors: {got['errors']}")
    expect("scale_factor" in str(got["errors"]) and "--raw" in str(got["errors"]), "the text of the error")
    expect(set(entries) == {name for name, *_ in made} | {"unstored"}, f"datasets: {sorted(entries)}")
    for name, _, attributes, values, masked in made:
        check(name, entries[name], np.asarray(values), masked)
        said = entries[name].get("applied", "")
        for key in attributes:
            expect(key in said, f"{name}: '{said}' does not name {key}")
    check("unstored", entries["unstored"], np.array([6]), 999_999)
    code, got = run(program, "--raw", path)
    expect(code == 0 and not got["errors"], f"--raw: exit code {code}: {got['errors']}")
    entries = {entry["dataset"][1:]: entry for entry in got["datasets"]}
    for name, array, attributes, _, _ in made:
        check(f"--raw {name}", entries[name], array.astype(array.dtype.newbyteorder("=")), 0)
        expect(set(attributes) <= set(entries[name]["not_applied"].replace(",", " ").split()),
               f"--raw {name}: '{entries[name].get('not_applied')}'")
    check_other_outputs(program, folder, path)
    print(f"{len(failures)} failures" if failures else "all values agree")
    sys.exit(1 if failures else 0)


def check_other_outputs(program, folder, path):
    output = os.path.join(folder, "report.h5")
    for options, said in (([], "applied: "), (["--raw"], "not applied: ")):
        result = subprocess.run([*program, *options, "--output", output, path + ":/filled"],
                                capture_output=True, text=True, check=False)
        expect(result.returncode == 0, f"report: {result.stderr}")
        expect("masked" in result.stdout and said in result.stdout, f"table: {result.stdout}")
        found = {}
        with h5py.File(output, "r") as f:
            f.visititems(lambda name, item: found.update({name.split("/")[-1]: item[()]})
                         if isinstance(item, h5py.Dataset) else None)
        expect(found["masked"].tolist() == [0 if options else 10 * 18], f"report: {found['masked']}")
        name = "not_applied" if options else "applied"
        expect("_FillValue -32767" in str(found[name]), f"report: {found[name]}")


main()
