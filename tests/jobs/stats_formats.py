#!/usr/bin/python3
"""Checks what a cohort-stats program makes of odd files: links, damage, types, formats, reports.

usage: stats_formats.py PROGRAM [PROGRAM-OPTION ...] WORK-FOLDER

Writes its files into WORK-FOLDER (created, kept) and runs PROGRAM there. Needs h5py, numpy and
netCDF4 (which writes the classic files, and reads and edits the reports). Exits 0 or 1.
"""

import os
import shutil
import subprocess
import sys

import h5py
import netCDF4
import numpy as np

sys.dont_write_bytecode = True  # the sources' folder stays as it is
from stats_reference import check_figures, expect, failures, run, run_json


def names(got):
    return [d["dataset"] for d in got["datasets"]]


def reasons(got, which, text):
    return {e["dataset"]: e[text] for e in got[which]}


def check_damage(program):
    """One damaged object header hides nothing."""
    with h5py.File("damaged.h5", "w") as f:
        for name in "abcdef":
            f[name] = np.arange(4)
            f["g/" + name] = np.arange(4)
        places = [h5py.h5o.get_info(f[name].id).addr for name in ("c", "g/b")]
    with open("damaged.h5", "r+b") as f:
        for place in places:
            f.seek(place)
            f.write(b"\x63")  # no version of object headers
    code, got = run_json(program, ["damaged.h5"])
    expect(code == 1, f"damaged: exit code {code}")
    expect(names(got) == ["/a", "/b", "/d", "/e", "/f", "/g/a", "/g/c", "/g/d", "/g/e", "/g/f"],
           f"damaged: {names(got)}")
    expect(set(reasons(got, "errors", "error")) == {"/c", "/g/b"}, f"damaged: {got['errors']}")


def check_links(program):
    """Cycles end, groups of other files are entered, every name is there, each is read once."""
    with h5py.File("source.h5", "w") as f:
        f["g/data"] = np.arange(10.0)
        f["g/back"] = h5py.ExternalLink("master.h5", "/")
        f["other/y"] = [1, 2]
        f["g/up"] = h5py.SoftLink("/other")
    with h5py.File("master.h5", "w") as f:
        f["own"] = np.arange(3)
        f["second"] = f["own"]
        f["entry"] = h5py.ExternalLink("source.h5", "/g")
        f["soft"] = h5py.SoftLink("/entry/data")
        f["through"] = h5py.SoftLink("/entry/up/y")
        f["h/x"] = [7.0]
        f["h/loop"] = f["h"]
        f["to_h"] = h5py.SoftLink("/h")
        f["in_h"] = h5py.SoftLink("to_h/x")
        f["itself"] = h5py.SoftLink("itself")
        f["gone"] = h5py.SoftLink("/not/there")
        f["gone_too"] = h5py.ExternalLink("source.h5", "/nowhere")
    code, got = run_json(program, ["master.h5"])
    expect(code == 1, f"links: exit code {code}")
    expect(names(got) == ["/entry/data", "/entry/up/y", "/h/x", "/in_h", "/own", "/second", "/soft",
                          "/through"], f"links: {names(got)}")
    arrays = {"data": np.arange(10.0), "y": np.array([1, 2]), "through": np.array([1, 2]),
              "x": np.array([7.0]), "in_h": np.array([7.0]), "soft": np.arange(10.0),
              "own": np.arange(3), "second": np.arange(3)}
    for entry in got["datasets"]:
        check_figures("links:" + entry["dataset"], entry, arrays[entry["dataset"].split("/")[-1]], 50)
    same = {d["dataset"]: d["same_as"] for d in got["datasets"] if "same_as" in d}
    expect(len(same) == 4 and same.get("/soft") == "/entry/data" and same.get("/in_h") == "/h/x",
           f"links: other names {same}")
    errors = reasons(got, "errors", "error")
    expect(set(errors) == {"/itself", "/gone", "/gone_too"}, f"links: {errors}")
    expect("soft link to /not/there" in errors.get("/gone", ""), f"links: {errors}")
    expect("source.h5:/nowhere" in errors.get("/gone_too", ""), f"links: {errors}")
    expect(set(reasons(got, "skipped", "reason")) == {"/entry/back", "/h/loop", "/to_h"},
           f"links: {got['skipped']}")
    for name, want in (("/entry", "/entry/data"), ("/to_h", "/to_h/x"), ("/soft", "/soft")):
        code, got = run_json(program, ["master.h5:" + name])
        expect(want in names(got), f"links: {name}: {got}")


def check_chain(program):
    """Two files that lead to one another, and groups deeper than a stack."""
    for i in range(3):
        with h5py.File(f"chain{i}.h5", "w") as f:
            f["x"] = np.arange(i + 1)
            f["next"] = h5py.ExternalLink(f"chain{(i + 1) % 3}.h5", "/")
    code, got = run_json(program, ["chain0.h5"])
    expect(code == 0 and names(got) == ["/next/next/x", "/next/x", "/x"], f"chain: {code}, {got}")
    with h5py.File("deep.h5", "w", libver="latest") as f:
        group = f
        for _ in range(1500):
            group = group.create_group("g")
        group["x"] = [1]
        f["y"] = [1]
    code, got = run_json(program, ["deep.h5"])
    expect(code == 1 and names(got) == ["/y"] and len(got["errors"]) == 1, f"deep: {code}")


def check_raw_files(program):
    np.arange(10.0).tofile("raw.bin")
    with h5py.File("raw.h5", "w") as f:
        f.create_dataset("whole", (10,), "f8", external=[("raw.bin", 0, 80)])
        f.create_dataset("short", (20,), "f8", external=[("raw.bin", 0, h5py.h5f.UNLIMITED)])
        f.create_dataset("shifted", (10,), "f8", external=[("raw.bin", 8, 80)])
        f.create_dataset("gone", (10,), "f8", external=[("not_there.bin", 0, 80)])
    code, got = run_json(program, ["raw.h5"])
    expect(code == 1 and names(got) == ["/whole"], f"raw: {code}, {names(got)}")
    errors = reasons(got, "errors", "error")
    expect("too short" in errors.get("/short", "") and "raw.bin" in errors.get("/short", ""),
           f"raw: {errors}")
    expect("too short" in errors.get("/shifted", ""), f"raw: {errors}")
    expect("not_there.bin" in errors.get("/gone", ""), f"raw: {errors}")


def check_no_numbers(program):
    with h5py.File("text.h5", "w") as f:
        f["x"] = [1, 2]
        f["name"] = "sample"
        f.create_group("empty")
    code, got = run_json(program, ["text.h5"])
    expect(code == 0 and names(got) == ["/x"], f"text: {code}, {got['errors']}")
    expect(reasons(got, "skipped", "reason") == {"/name": "variable-length string",
                                                 "/empty": "an empty group"}, "text: skipped")
    with h5py.File("only_text.h5", "w") as f:
        f["name"] = "sample"
    for argument in ("only_text.h5", "only_text.h5:/name", "text.h5:/empty"):
        code, got = run_json(program, [argument])
        expect(code == 0 and len(got["skipped"]) == 1, f"{argument}: {code}, {got}")


def check_types(program):
    """Compounds in compounds, arrays, bits, variable lengths: each number once."""
    inner = np.dtype([("x", "f4"), ("y", ">i2")])
    boolean = h5py.enum_dtype({"FALSE": 0, "TRUE": 1}, "i1")
    outer = np.dtype([("a", "i4"), ("in", inner), ("name", "S4"), ("arr", "f8", (2, 3)),
                      ("flag", boolean)])
    rows = np.zeros(50, outer)
    rows["a"] = np.arange(50)
    rows["in"]["x"] = np.arange(50) * 0.5
    rows["in"]["y"] = -np.arange(50)
    rows["arr"] = np.arange(300).reshape(50, 2, 3)
    rows["flag"] = np.arange(50) % 3 == 0
    lists = [np.arange(i % 5) for i in range(210)]
    bits = {"b8": (h5py.h5t.STD_B8LE, "u1", [1, 128, 255]),
            "b16": (h5py.h5t.STD_B16BE, ">u2", [1, 2 ** 15, 2 ** 16 - 1]),
            "b64": (h5py.h5t.STD_B64LE, "<u8", [1, 2 ** 63, 2 ** 64 - 1])}
    with h5py.File("types.h5", "w") as f:
        f["rows"] = rows
        f.create_dataset("chunked", data=rows, chunks=(7,), compression="gzip", shuffle=True)
        f.create_dataset("never", (1000,), outer, chunks=(10,))
        f["one"] = rows[3]
        f["z"] = np.array([1 + 2j, 3 - 4j])
        lengths = f.create_dataset("lists", (30, 7), h5py.vlen_dtype("i4"), chunks=(4, 2))
        for i, each in enumerate(lists):
            lengths[i // 7, i % 7] = each
        mixed = f.create_dataset("mixed", (2,), np.dtype([("n", "i4"), ("v", h5py.vlen_dtype("f8")),
                                                          ("s", h5py.string_dtype())]))
        mixed[0] = (1, np.arange(3.0), "x")
        mixed[1] = (2, np.arange(5.0), "yy")
        array = h5py.h5t.array_create(h5py.h5t.STD_I16BE, (3,))
        made = h5py.h5d.create(f.id, b"array", array, h5py.h5s.create_simple((2,)))
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(6, dtype=">i2").reshape(2, 3), mtype=array)
        for name, (kind, dtype, values) in bits.items():
            made = h5py.h5d.create(f.id, name.encode(), kind, h5py.h5s.create_simple((3,)))
            made.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array(values, dtype), mtype=kind)
        f["wide"] = np.zeros(2, "V3")
    want = {"/lists": np.concatenate(lists), "/mixed.n": np.array([1, 2], "i4"),
            "/mixed.v": np.array([0.0, 1, 2, 0, 1, 2, 3, 4]), "/array": np.arange(6),
            "/z.r": np.array([1.0, 3]), "/z.i": np.array([2.0, -4])}
    for name, (kind, dtype, values) in bits.items():
        want["/" + name] = np.array(values, "u8")
    for name, data in (("/rows", rows), ("/chunked", rows), ("/never", np.zeros(1000, outer)),
                       ("/one", rows[3:4])):
        want |= {name + ".a": data["a"], name + ".in.x": data["in"]["x"],
                 name + ".in.y": data["in"]["y"].astype("i2"), name + ".arr": data["arr"],
                 name + ".flag": data["flag"].astype("i1")}
    code, got = run_json(program, ["types.h5"])
    expect(code == 0 and got["errors"] == [], f"types: {code}, {got['errors']}")
    expect(set(names(got)) == set(want), f"types: {set(names(got)) ^ set(want)}")
    for entry in got["datasets"]:
        if entry["dataset"] in want:
            check_figures("types:" + entry["dataset"], entry, want[entry["dataset"]], 50)
    kinds = {d["dataset"]: d["type"] for d in got["datasets"]}
    for name, kind in (("/z.r", "float64 (real part)"), ("/rows.arr", "float64[2,3]"),
                       ("/rows.flag", "bool"), ("/b16", "bitfield16"), ("/rows.in.y", "int16"),
                       ("/lists", "variable-length int32")):
        expect(kinds.get(name) == kind, f"types: {name} is {kinds.get(name)}")
    code, got = run_json(program, ["types.h5:/rows.in", "types.h5:/z.r"])
    expect(code == 0 and names(got) == ["/rows.in.x", "/rows.in.y", "/z.r"], f"fields: {got}")
    code, got = run_json(program, ["types.h5:/rows.none"])
    expect(code == 2 and "no such dataset" in got["errors"][0]["error"], f"fields: {got}")


def write_classic(path, form):
    rng = np.random.default_rng(3)
    with netCDF4.Dataset(path, "w", format=form) as d:
        d.createDimension("t", None)
        for name, size in (("y", 5), ("x", 7), ("s", 10)):
            d.createDimension(name, size)
        d.createVariable("scalar", "f8", ())[:] = 2.5
        d.createVariable("fixed", "f4", ("y", "x"))[:] = rng.normal(size=(5, 7))
        d.createVariable("text", "S1", ("s",))[:] = netCDF4.stringtochar(np.array("abc", "S10"))
        t = d.createVariable("t", "f8", ("t",))
        t[:] = np.arange(1000.0)
        t.units = "days since 2000-01-01"
        kinds = ["i1", "i2", "i4", "f4", "f8"]
        if form == "NETCDF3_64BIT_DATA":
            kinds += ["u1", "u2", "u4", "i8", "u8"]
        for kind in kinds:  # records interleave, with padding where they are of odd sizes
            d.createVariable("flat_" + kind, kind, ("t",))[:] = rng.integers(0, 99, 1000)
            d.createVariable("cube_" + kind, kind, ("t", "y", "x"))[:] = \
                rng.integers(-99, 99, (1000, 5, 7)).astype(kind)
        if form == "NETCDF3_64BIT_DATA":
            d["cube_i8"][3, 1, 1] = -2 ** 62 - 1
            d["cube_u8"][5, 2, 2] = 2 ** 64 - 1


def check_packed_classic(program):
    """Attributes of packed data count in classic files, too."""
    with netCDF4.Dataset("packed.nc", "w", format="NETCDF3_CLASSIC") as d:
        d.createDimension("x", 100)
        v = d.createVariable("v", "i2", ("x",), fill_value=-999)
        v.scale_factor, v.add_offset = 0.5, 100.0
        v.valid_range = np.array([-50, 40], "i2")
        w = d.createVariable("w", "i1", ("x",))
        w.setncattr("_Unsigned", "true")
        d.set_auto_maskandscale(False)
        v[:] = np.where(np.arange(100) % 10 == 0, -999, np.arange(100) - 50)
        w[:] = np.arange(100) - 50
    code, got = run_json(program, ["packed.nc"])
    expect(code == 0 and names(got) == ["/v", "/w"], f"packed.nc: {code}, {got['errors']}")
    stored = np.arange(100) - 50
    kept = stored[(np.arange(100) % 10 != 0) & (stored <= 40)]
    check_figures("packed.nc:/v", got["datasets"][0], kept * 0.5 + 100, 50)
    expect(got["datasets"][0]["masked"] == 100 - len(kept), f"packed.nc: {got['datasets'][0]}")
    check_figures("packed.nc:/w", got["datasets"][1], stored.astype("i1").view("u1"), 50)
    _, got = run_json(program, ["--raw", "packed.nc:/v"])
    expect(got["datasets"][0]["count"] == 100 and got["datasets"][0]["min"] == -999, "--raw")


def check_classic(program):
    """Every variable of all three classic formats, against netCDF-C."""
    files = []
    for form, name in (("NETCDF3_CLASSIC", "cdf1.nc"), ("NETCDF3_64BIT_OFFSET", "cdf2.nc"),
                       ("NETCDF3_64BIT_DATA", "cdf5.nc")):
        write_classic(name, form)
        with netCDF4.Dataset("single_" + name, "w", format=form) as d:  # its records have no padding
            d.createDimension("t", None)
            d.createDimension("x", 3)
            d.createVariable("fixed", "f8", ("x",))[:] = 1
            d.createVariable("r", "i2", ("t", "x"))[:] = np.arange(33).reshape(11, 3)
        with netCDF4.Dataset("empty_" + name, "w", format=form) as d:
            d.createDimension("t", None)
            d.createVariable("r", "i2", ("t",))
        files += [name, "single_" + name, "empty_" + name]
    with open("single_cdf1.nc", "rb") as f:  # as many records as the file has room for
        content = f.read()
    with open("streaming.nc", "wb") as f:
        f.write(content[:4] + b"\xff\xff\xff\xff" + content[8:])
    for name in files + ["streaming.nc"]:
        code, got = run_json(program, [name])
        expect(code == 0 and got["errors"] == [], f"{name}: {code}, {got['errors']}")
        with netCDF4.Dataset("single_cdf1.nc" if name == "streaming.nc" else name) as d:
            d.set_auto_maskandscale(False)
            want = {"/" + n: v for n, v in d.variables.items() if n != "text"}
            expect(set(names(got)) == set(want), f"{name}: {names(got)}")
            for entry in got["datasets"]:
                variable = want[entry["dataset"]]
                check_figures(name + entry["dataset"], entry, variable[...], 50)
                expect(entry["shape"] == list(variable.shape), f"{name}: {entry['shape']}")
                expect(entry["units"] == getattr(variable, "units", ""), f"{name}: {entry['units']}")
    check_packed_classic(program)
    expect(run_json(program, ["cdf1.nc"])[1]["skipped"][0]["dataset"] == "/text", "classic: text")
    code, got = run_json(program, ["cdf2.nc:/flat_i2", "cdf2.nc:/text", "cdf2.nc:/none"])
    expect(code == 1 and names(got) == ["/flat_i2"], f"classic: one variable: {got}")
    with open("cdf1.nc", "rb") as f:
        content = f.read()
    with open("cut.nc", "wb") as f:
        f.write(content[:-4000])
    code, got = run_json(program, ["cut.nc"])
    expect(code == 1 and names(got) == ["/fixed", "/scalar"], f"cut.nc: {code}, {names(got)}")
    expect(all("truncated" in e["error"] for e in got["errors"]), f"cut.nc: {got['errors']}")
    with open("cut_header.nc", "wb") as f:
        f.write(content[:150])
    code, got = run_json(program, ["cut_header.nc"])
    expect(code == 2 and "truncated" in got["errors"][0]["error"], f"cut_header.nc: {got}")
    for place in range(4, 600, 7):  # a damaged header is an error or other figures, never worse
        with open("noise.nc", "wb") as f:
            f.write(content[:place] + b"\x7f\xff\xff" + content[place + 3:])
        code, _, err = run(program, ["noise.nc"])
        expect(code in (0, 1, 2), f"a damaged header, byte {place}: {code} {err}")


KILLED = """
import h5py, numpy, os, sys
f = h5py.File(sys.argv[1], "w", libver="latest")
d = f.create_dataset("x", (1000,), maxshape=(None,), chunks=(100,), dtype="f8")
d[:] = numpy.arange(1000.0)
if sys.argv[2] == "swmr":
    f.swmr_mode = True
f.flush()
os.kill(os.getpid(), 9)
"""


def check_left_open(program):
    """A writer that was killed leaves its mark in the file; nobody takes it away."""
    for mode in ("swmr", "plain"):
        subprocess.run([sys.executable, "-c", KILLED, mode + ".h5", mode])
    with h5py.File("to_swmr.h5", "w") as f:
        f["entry"] = h5py.ExternalLink("swmr.h5", "/")
        f["soft"] = h5py.SoftLink("/entry/x")
    with open("swmr.h5", "rb") as f:
        before = f.read()
    for path, want in (("swmr.h5", ["/x"]), ("to_swmr.h5", ["/entry/x", "/soft"])):
        code, got = run_json(program, [path])
        expect(code == 0 and names(got) == want, f"{path}: {code}, {got}")
        for entry in got["datasets"]:
            check_figures(path, entry, np.arange(1000.0), 50)
    with open("swmr.h5", "rb") as f:
        expect(f.read() == before, "swmr.h5 was changed")
    code, got = run_json(program, ["plain.h5"])
    expect(code == 2 and "h5clear" in got["errors"][0]["error"], f"plain.h5: {got}")


def check_filters(program):
    """The package that has a missing filter."""
    with h5py.File("filters.h5", "w") as f:
        f.create_dataset("x", data=np.arange(1000.0), chunks=(100,), compression="gzip",
                         compression_opts=3)
    with open("filters.h5", "rb") as f:
        content = f.read()
    entry = b"\x01\0\x08\0\x01\0\x01\0deflate\0"
    expect(content.count(entry) == 1, "filters: no entry in the test's own file")
    for number, text in ((32013, "hdf5-filter-plugin-zfp-serial"), (32015, "hdf5plugin"),
                         (32008, "bitshuffle"), (399, "HDF5_PLUGIN_PATH")):
        with open("filters.h5", "wb") as f:
            f.write(content.replace(entry, number.to_bytes(2, "little") + entry[2:]))
        environment = dict(os.environ, HDF5_PLUGIN_PATH="/nonexistent")
        code, got = run_json(program, ["filters.h5"], environment=environment)
        error = got["errors"][0]["error"] if got["errors"] else ""
        expect(code == 2 and text in error and str(number) in error, f"filters: {error}")


def check_latin1(program):
    """Names and units that are no UTF-8: what leaves the program is."""
    os.makedirs(b"lat\xe9", exist_ok=True)
    with h5py.File(b"lat\xe9/f.h5", "w") as f:
        data = f.create_dataset("x", data=np.arange(5) * 1.5)
        data.attrs.create("units", np.bytes_(b"\xb0C"))
        h5py.h5d.create(f.id, b"n\xe4me", h5py.h5t.NATIVE_INT32, h5py.h5s.create_simple((2,)))
        f["long/" + "\u00e9" * 200] = "text"
    file = os.fsdecode(b"lat\xe9/f.h5")
    code, got = run_json(program, [file])
    expect(code == 0 and names(got) == ["/n\u00e4me", "/x"], f"latin-1: {code}, {names(got)}")
    expect(got["datasets"][1]["units"] == "\u00b0C", f"latin-1: {got['datasets'][1]['units']}")
    expect(got["datasets"][1]["file"] == "lat\u00e9/f.h5", "latin-1: the file's name")
    many = [file + ":/x"] + ["\u00e9" * 997 + "x"] * 20  # texts that are cut somewhere
    run(program, ["--output", "latin1_report.h5"] + many)
    with h5py.File("latin1_report.h5", "r") as f:
        for key in ("command_line", "history", "inputs"):
            value = f.attrs[key]
            value = value.decode() if isinstance(value, bytes) else value  # strictly
            expect(len(value) > 100, f"latin-1: {key}")
        for group in (f, f["zz_cohort"]):
            for name, item in group.items():
                if isinstance(item, h5py.Dataset) and h5py.check_string_dtype(item.dtype):
                    item.asstr("utf-8", "strict")[()]
        expect(f["zz_cohort/source_units"].asstr()[0] == "\u00b0C", "latin-1: units in the report")
    code, out, _ = run(program, [file])
    expect("lat\u00e9/f.h5\n" in out.decode(), "latin-1: the table")


def is_scale(item):
    return item.attrs.get("CLASS") == b"DIMENSION_SCALE"


def figures(path, renamed=()):
    renamed = dict(renamed)
    with netCDF4.Dataset(path) as d:
        d.set_auto_mask(False)
        return {name: d[renamed.get(name, name)][...].tobytes() for name in
                ("count", "mean", "std", "extremes_kind", "min_int64", "histogram_counts",
                 "histogram_edges")}


def check_report(program):
    """netCDF-C and h5py see the same, before and after other tools edit it."""
    files = ["types.h5", "cdf1.nc", "text.h5", "raw.h5"]
    code, _, err = run(program, ["--output", "report.h5"] + files)
    expect(code == 1, f"report: {code} {err}")
    with h5py.File("report.h5", "r") as f:
        numbers = [n for n, item in f.items() if isinstance(item, h5py.Dataset)]
        expect(all(f[n].dtype.kind in "iuf" for n in numbers), "report: texts in the root")
        expect(list(f)[-1] == "zz_cohort" or sorted(f)[-1] == "zz_cohort", "report: the last group")
        ids = {}
        f.visititems(lambda name, item: ids.update({name: int(item.attrs["_Netcdf4Dimid"])})
                     if is_scale(item) else None)
        expect(sorted(ids.values()) == list(range(len(ids))) and len(ids) == 5, f"report: {ids}")
        for name in numbers:
            if not is_scale(f[name]):
                expect((f[name].dtype.kind == "f") == ("_FillValue" in f[name].attrs), name)
        expect(np.isnan(f["mean"].attrs["_FillValue"]).all() and np.isnan(f["mean"].fillvalue),
               "report: _FillValue")
    before = figures("report.h5")

    def edited(label, edit, renamed=()):
        shutil.copy("report.h5", "edited.h5")
        with netCDF4.Dataset("edited.h5", "a") as d:
            edit(d)
        expect(figures("edited.h5", renamed) == before, f"report: {label}: other figures")
        with netCDF4.Dataset("edited.h5") as d:
            shapes = {d[n].dimensions for n in ("histogram_counts", "histogram_edges")}
            expect(len({s[0] for s in shapes}) == 1 and len({s[1] for s in shapes}) == 2,
                   f"report: {label}: dimensions {shapes}")

    edited("a renamed dimension", lambda d: d.renameDimension("bin", "class"))
    edited("another renamed dimension", lambda d: d.renameDimension("dataset", "which"))
    edited("a renamed variable", lambda d: d.renameVariable("mean", "average"), {"mean": "average"})
    edited("a new variable", lambda d: d.createVariable("new", "f8", ("dataset", "bin")))
    with netCDF4.Dataset("report.h5") as d:
        paths = list(d["zz_cohort"]["path"][:])
        expect("/rows.in.x" in paths and d["zz_cohort"]["path"].dimensions == ("dataset",),
               "report: names")
        expect("/name" in list(d["zz_cohort"]["skipped_path"][:]), "report: skipped")
        expect(d.Conventions == "CF-1.8", "report: Conventions")
    with h5py.File("seconds.h5", "w") as f:
        f.create_dataset("x", data=[1e-12]).attrs["units"] = "seconds"
    run(program, ["--output", "seconds_report.h5", "seconds.h5"])
    with netCDF4.Dataset("seconds_report.h5") as d:
        expect(d["mean"].units == "s", f"report: xarray makes nanoseconds of {d['mean'].units}")
    _, got = run_json(program, files)
    origin = got["provenance"]
    expect(origin["inputs"] == files and origin["program"] == "cohort-stats" and
           all(origin[k] for k in ("version", "hdf5_version", "host", "user", "start_time",
                                   "command_line")), f"json: {origin}")


def check_terminal(program):
    """The table keeps to COLUMNS; a closed stdout is an error and no file gets its number."""
    for width in (40, 60, 80, 100):
        environment = dict(os.environ, COLUMNS=str(width))
        code, out, _ = run(program, ["types.h5", "master.h5:/h/x", "cdf5.nc"], environment=environment)
        lines = [line for line in out.decode().splitlines() if not line.startswith("skipped: ")]
        expect(code == 0 and len(lines) > 30, f"COLUMNS={width}: {code}")
        wide = [line for line in lines if len(line) > width]
        expect(not wide, f"COLUMNS={width}: {wide[:3]}")
    closed = ["bash", "-c", '"$@" >&-', "bash"] + program
    if os.path.exists("closed.h5"):
        os.unlink("closed.h5")
    code, _, err = run(closed, ["--output", "closed.h5", "text.h5"])
    expect(code == 2 and "stdout" in err, f">&-: {code} {err}")
    expect(not os.path.exists("closed.h5"), ">&-: work was done")
    code, out, _ = run(["bash", "-c", '"$@" <&- 2>&-', "bash"] + program, ["text.h5"])
    expect(code == 0 and b"/x" in out, f"<&- 2>&-: {code}")
    code, _, err = run(["bash", "-c", '"$@" >/dev/full', "bash"] + program, ["text.h5"])
    expect(code == 2 and "stdout" in err, f">/dev/full: {code} {err}")
    with h5py.File("flat.h5", "w") as f:
        for values in (60, 100, 7, 1000):
            f[f"of_{values}"] = np.repeat(np.arange(values), 100)
        f["reals"] = np.linspace(0, 1, 100001)
    code, out, _ = run(program, ["flat.h5"])
    for line in out.decode().splitlines():
        blocks = set(line) & set("\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588")
        expect(len(blocks) <= 1, f"equal counts look different: {line}")


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    program, folder = sys.argv[1:-1], os.path.abspath(sys.argv[-1])
    program[0] = os.path.abspath(program[0])
    os.makedirs(folder, exist_ok=True)
    os.chdir(folder)
    for check in (check_damage, check_links, check_chain, check_raw_files, check_no_numbers,
                  check_types, check_classic, check_left_open, check_filters, check_latin1,
                  check_report, check_terminal):
        check(program)
    print(f"{len(failures)} failures" if failures else "all as it should be")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
