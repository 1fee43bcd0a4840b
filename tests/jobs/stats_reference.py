#!/usr/bin/python3
"""Checks a cohort-stats program against numpy and exact fractions, on files made to be nasty.

usage: stats_reference.py PROGRAM [PROGRAM-OPTION ...] WORK-FOLDER

Writes its files into WORK-FOLDER (created, kept), runs PROGRAM with --json on them, and compares
every figure to 1e-9 relative and every histogram exactly. Needs h5py and numpy. Exits 0 or 1.
"""

import glob
import json
import math
import os
import subprocess
import sys
from fractions import Fraction

import h5py
import numpy as np

sys.dont_write_bytecode = True  # the sources' folder stays as it is
from stats_files import (write_good, write_big, write_bad, write_mixed, write_unknown_filter,
                         write_broken_units, write_virtual)

TOLERANCE = 1e-9
failures = []


def expect(condition, text):
    if not condition:
        failures.append(text)
        print("FAIL:", text)


def root(value):
    """The square root of a non-negative Fraction, to some 30 digits, as a Fraction."""
    if value == 0:
        return Fraction(0)
    shift = max(0, 240 - value.numerator.bit_length() + value.denominator.bit_length())
    shift += shift % 2
    return Fraction(math.isqrt((value.numerator << shift) // value.denominator), 1 << (shift // 2))


def exact_moments(values):
    """Mean and population standard deviation, exactly, from the distinct values."""
    distinct, times = np.unique(values, return_counts=True)
    convert = int if values.dtype.kind in "iu" else float
    terms = [(Fraction(convert(v)), int(n)) for v, n in zip(distinct, times)]
    n = len(values)
    mean = sum(v * k for v, k in terms) / n
    return mean, root(sum(k * (v - mean) ** 2 for v, k in terms) / n)


def wide_moments(values):
    """An exact mean, and the deviations from it in long double, for large data."""
    if values.dtype.kind in "iu":
        mean = Fraction(sum(values.tolist()), len(values))
    else:
        mean = Fraction(math.fsum(values.tolist())) / len(values)
    deviations = values.astype(np.longdouble) - np.longdouble(float(mean))
    std = np.sqrt((deviations * deviations).mean())
    return mean, Fraction(*std.as_integer_ratio())


def close(got, want):
    if got is None:
        return False
    error = abs(Fraction(got) - want)
    # Below the smallest normal double no program can do better than one unit.
    return error <= TOLERANCE * abs(want) or error <= Fraction(1, 2 ** 1074)


def check_figures(label, got, raw, bins):
    """Compares one entry of the JSON with the array that h5py read."""
    raw = np.asarray(raw).ravel()
    if raw.dtype.kind == "b":
        raw = raw.astype(np.uint8)
    if raw.dtype.kind == "f":
        values = raw.astype(np.float64)
        values = values[np.isfinite(values)]
    else:
        values = raw.astype(np.uint64 if raw.dtype.kind == "u" else np.int64)
    expect(got["count"] == len(values), f"{label}: count {got['count']} != {len(values)}")
    expect(got["nonfinite"] == len(raw) - len(values), f"{label}: nonfinite {got['nonfinite']}")
    edges, counts = got["histogram"]["edges"], got["histogram"]["counts"]
    expect(len(counts) == bins and len(edges) == bins + 1, f"{label}: {len(counts)} bins")
    expect(sum(counts) == len(values), f"{label}: histogram sums to {sum(counts)}")
    if len(values) == 0:
        for name in ("min", "max", "mean", "std"):
            expect(got[name] is None, f"{label}: {name} {got[name]} should be null")
        return
    for name, want in (("min", values.min()), ("max", values.max())):
        expect(got[name] == want.item(), f"{label}: {name} {got[name]} != {want}")
        expect(isinstance(got[name], int) == (values.dtype.kind != "f"), f"{label}: type of {name}")
    mean, std = (exact_moments if len(values) <= 30000 else wide_moments)(values)
    expect(close(got["mean"], mean), f"{label}: mean {got['mean']} != {float(mean)}")
    expect(close(got["std"], std), f"{label}: std {got['std']} != {float(std)}")
    check_histogram(label, edges, counts, values, bins)


def check_histogram(label, edges, counts, values, bins):
    """Against numpy.histogram, where that can do it: the range must be a double, and have bins."""
    with np.errstate(all="ignore"):
        width = float(values.max()) - float(values.min())
    if not np.isfinite(width):
        return
    doubles = values.astype(np.float64)
    low, high = float(values.min()), float(values.max())
    if (low == high and values.min() != values.max()) or (low == high and low - 0.5 == low + 0.5):
        return  # no width as doubles
    if 0 < width < sys.float_info.min * bins:
        return  # numpy's own arithmetic underflows
    want_counts, want_edges = np.histogram(doubles, bins)
    if not (np.diff(want_edges) > 0).all():
        return  # bins narrower than a double: numpy moves a value by one bin at most
    expect(edges == want_edges.tolist(), f"{label}: histogram edges differ from numpy's")
    expect(counts == want_counts.tolist(), f"{label}: histogram counts differ from numpy's")


def run(program, arguments, environment=None):
    done = subprocess.run(program + arguments, capture_output=True, env=environment, timeout=600)
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")


def run_json(program, arguments, **more):
    code, out, err = run(program, ["--json"] + arguments, **more)

    def refuse(name):
        raise ValueError(f"not JSON: {name}")

    try:
        return code, json.loads(out.decode(), parse_constant=refuse)
    except ValueError as error:
        expect(False, f"{arguments}: no JSON ({error}); exit code {code}; stderr: {err[-500:]}")
        return code, {"datasets": [], "errors": []}


def arrays_of(path):
    """Path to array of all that the program should report from a file, in its order."""
    arrays = {}

    def visit(name, item):
        if not isinstance(item, h5py.Dataset):
            return
        label = item.attrs.get("NAME", b"")
        if bytes(label).startswith(b"This is a netCDF dimension but not a netCDF variable."):
            return
        arrays["/" + name] = np.zeros(0) if item.shape is None else item[()]

    with h5py.File(path, "r") as f:
        f.visititems(visit)
    return arrays


def check_file(program, path, bins=50):
    arrays = arrays_of(path)
    code, got = run_json(program, ["--bins", str(bins), path])
    expect(code == 0, f"{path}: exit code {code}")
    expect(got["errors"] == [], f"{path}: errors {got['errors']}")
    names = [entry["dataset"] for entry in got["datasets"]]
    expect(len(set(names)) == len(names), f"{path}: datasets twice")
    # h5py visits one of a dataset's names; the program has them all.
    aliases = {"/normal", "/hard/linked_again", "/soft"} if "/soft" in names else set()
    differ = set(names) ^ (set(arrays) | aliases)
    expect(not differ, f"{path}: datasets differ: {differ}")
    other = arrays.get("/normal", arrays.get("/hard/linked_again"))
    by_name = {name: arrays.get(name, other) for name in names}
    for entry in got["datasets"]:
        expect(entry["file"] == path, f"{path}: file is {entry['file']}")
        check_figures(f"{path}:{entry['dataset']}", entry, by_name[entry["dataset"]], bins)


def one_error(program, argument, text, code_wanted=2):
    code, got = run_json(program, [argument])
    expect(code == code_wanted, f"{argument}: exit code {code}")
    expect(len(got["errors"]) == 1, f"{argument}: {len(got['errors'])} errors: {got['errors']}")
    for error in got["errors"]:
        expect(text in error["error"], f"{argument}: '{error['error']}' lacks '{text}'")
        expect("\n" not in error["error"], f"{argument}: error of several lines")
    return got


def check_bad_files(program, folder):
    bad = write_bad(folder)
    for path, text in bad.items():
        one_error(program, path, text)
    good = os.path.join(folder, "whole.h5")
    code, got = run_json(program, list(bad) + [good])
    expect(code == 1, f"bad files and a good one: exit code {code}")
    expect([e["file"] for e in got["errors"]] == list(bad), "bad files: errors in another order")
    expect([d["file"] for d in got["datasets"]] == [good], "bad files: the good one is missing")
    one_error(program, good + ":/missing", "no such dataset")
    one_error(program, good + ":/missing/deeper", "there is no /missing")
    code, got = run_json(program, [good + ":/x"])
    expect(code == 0 and len(got["datasets"]) == 1, "one dataset by its name")


def check_mixed(program, folder):
    path, texts, others = write_mixed(folder)
    code, got = run_json(program, [path])
    expect(code == 1, f"{path}: exit code {code}")
    names = [d["dataset"] for d in got["datasets"]]
    expect(names == ["/a_good", "/array", "/bitfield", "/complex.i", "/complex.r", "/compound.a",
                     "/compound.b", "/vlen", "/z_good"], f"{path}: datasets {names}")
    errors = {e["dataset"]: e["error"] for e in got["errors"]}
    expect(set(errors) == set(texts), f"{path}: errors differ: {set(errors) ^ set(texts)}")
    for dataset, text in texts.items():
        expect(text in errors.get(dataset, ""), f"{path}:{dataset}: '{errors.get(dataset)}'")
        one_error(program, path + ":" + dataset, text)
    skipped = {s["dataset"]: s["reason"] for s in got["skipped"]}
    expect(skipped == others, f"{path}: skipped {skipped}")
    for dataset in others:
        code, got = run_json(program, [path + ":" + dataset])
        expect(code == 0 and got["errors"] == [] and len(got["skipped"]) == 1,
               f"{path}:{dataset}: {code}, {got}")
    path = write_broken_units(folder)
    code, got = run_json(program, [path])
    expect(code == 0 and len(got["datasets"]) == 1, f"{path}: {code}, {got['errors']}")
    path = write_unknown_filter(folder)
    one_error(program, path, "filter 305", code_wanted=1)


def check_links(program, folder):
    """External links to a dataset and to a group."""
    path = os.path.join(folder, "links.h5")
    with h5py.File(os.path.join(folder, "target.h5"), "w") as f:
        f["g/x"] = np.arange(9.0)
    with h5py.File(path, "w") as f:
        f["to_dataset"] = h5py.ExternalLink("target.h5", "/g/x")
        f["to_group"] = h5py.ExternalLink("target.h5", "/g")
        layout = h5py.VirtualLayout((2, 9), "f8")
        layout[0] = h5py.VirtualSource("target.h5", "g/x", (9,))
        f.create_virtual_dataset("virtual", layout, fillvalue=-1)
    code, got = run_json(program, [path])
    expect(code == 0 and got["errors"] == [], f"{path}: {code}, {got['errors']}")
    arrays = {"/to_dataset": np.arange(9.0), "/to_group/x": np.arange(9.0),
              "/virtual": np.append(np.arange(9.0), np.full(9, -1.0))}
    expect([d["dataset"] for d in got["datasets"]] == list(arrays), f"{path}: other datasets")
    for entry in got["datasets"]:
        check_figures(f"{path}:{entry['dataset']}", entry, arrays[entry["dataset"]], 50)


def check_virtual(program, folder):
    """A missing source must be an error: HDF5 would count its fill values as data."""
    path, texts = write_virtual(folder)
    code, got = run_json(program, [path])
    expect(code == 1, f"{path}: exit code {code}")
    errors = {e["dataset"]: e["error"] for e in got["errors"]}
    expect(set(errors) == {d for d, text in texts.items() if text}, f"{path}: errors {errors}")
    for dataset, text in texts.items():
        if text:
            expect(text in errors.get(dataset, ""), f"{path}:{dataset}: '{errors.get(dataset)}'")
    for entry in got["datasets"]:
        rows = {"/all_there": 3}.get(entry["dataset"], 1)
        check_figures(f"{path}:{entry['dataset']}", entry, np.tile(np.arange(4.0), rows), 50)
    # The prefix that HDF5 knows leads to a source that is elsewhere.
    elsewhere = os.path.join(folder, "elsewhere")
    os.makedirs(elsewhere, exist_ok=True)
    with h5py.File(os.path.join(elsewhere, "gone.h5"), "w") as f:
        f["x"] = np.arange(4.0)
    for prefix in (elsewhere, "${ORIGIN}/../elsewhere"):
        code, got = run_json(program, [path + ":/no_file"],
                             environment=dict(os.environ, HDF5_VDS_PREFIX=prefix))
        expect(code == 0, f"HDF5_VDS_PREFIX={prefix}: {got['errors']}")
        for entry in got["datasets"]:
            check_figures("with a prefix", entry, np.tile(np.arange(4.0), 2), 50)


def check_permission(program, folder):
    path = os.path.join(folder, "secret.h5")
    with h5py.File(path, "w") as f:
        f["x"] = np.arange(3.0)
    os.chmod(path, 0)
    if os.geteuid() != 0:
        one_error(program, path, "Permission denied")
        return
    dropped = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] + program
    try:
        code, _, err = run(dropped, ["--help"])
    except OSError as error:
        code, err = 1, str(error)
    if code != 0:
        print("skipped: permission test: cannot run the program as another user:", err.strip())
        return
    one_error(dropped, path, "Permission denied")


COUNTS = ("count", "nonfinite", "masked", "histogram_counts")


def units_in(report):
    return {name: item.attrs["units"].decode() for name, item in report.items()
            if "units" in item.attrs}


def check_units(program, folder):
    """Where all datasets have the same units, the figures that are of their kind have them too."""
    path = os.path.join(folder, "same_units.h5")
    with h5py.File(path, "w") as f:
        f.create_dataset("x", data=np.arange(10.0)).attrs["units"] = "m s-1"
        f.create_dataset("y", data=np.arange(5)).attrs["units"] = "m s-1"
    output = os.path.join(folder, "units_report.h5")
    expect(run(program, ["--output", output, path])[0] == 0, "units: exit code")
    with h5py.File(output, "r") as f:
        kept = ("min", "max", "mean", "std", "min_int64", "max_int64", "min_uint64", "max_uint64",
                "histogram_edges")
        expect(units_in(f) == {name: "1" for name in COUNTS} | {name: "m s-1" for name in kept},
               f"units: {units_in(f)}")
        expect([n.decode() for n in f["zz_cohort/source_units"][:]] == ["m s-1"] * 2, "units: of the sources")


def check_reports(program, folder, good):
    """The table and the HDF5 output, as far as other tools see them."""
    path, _, _ = write_mixed(folder)
    output = os.path.join(folder, "report.h5")
    code, out, _ = run(program, ["--output", output, good, path])
    expect(code == 1, f"report: exit code {code}")
    table = out.decode()
    for text in (str(2 ** 62 + 2), str(-2 ** 63), str(2 ** 64 - 1)):
        expect(text in table, f"table: no {text}")
    expect(f"{path}:/compound" in table or "/compound" in table, "table: no error line")
    _, got = run_json(program, [good, path])
    with h5py.File(output, "r") as f:
        for key in ("title", "history", "cohort_version", "host", "user", "start_time", "inputs",
                    "hdf5_version"):
            expect(key in f.attrs, f"report: no attribute {key}")
        expect([n.decode() for n in f["zz_cohort/path"][:]] == [d["dataset"] for d in got["datasets"]],
               "report: paths")
        for key in ("count", "nonfinite", "min", "max", "mean", "std"):
            want = [np.nan if d[key] is None else float(d[key]) for d in got["datasets"]]
            expect(np.array_equal(f[key][:].astype("f8"), want, equal_nan=True), f"report: {key}")
        words = f["extremes_kind"].attrs["flag_meanings"].decode().split()
        kinds = [words[k] for k in f["extremes_kind"][:]]
        expect({"float64", "int64", "uint64", "none"} == set(kinds), f"report: kinds {set(kinds)}")
        for bound in ("min", "max"):
            for i, d in enumerate(got["datasets"]):
                name = bound if kinds[i] in ("float64", "none") else f"{bound}_{kinds[i]}"
                exact = f[name][i].item()
                same = exact == d[bound] or (d[bound] is None and math.isnan(exact))
                expect(same, f"report: {name} of {d['dataset']}: {exact} != {d[bound]}")
                expect(isinstance(exact, int) == isinstance(d[bound], int),
                       f"report: {name} of {d['dataset']}: {exact} is of another type")
            for kind in ("int64", "uint64"):
                expect(f[f"{bound}_{kind}"].dtype == np.dtype(kind), f"report: type of {bound}_{kind}")
        expect(f["histogram_counts"][:].tolist() ==
               [d["histogram"]["counts"] for d in got["datasets"]], "report: counts")
        expect(f["histogram_edges"][:].tolist() ==
               [d["histogram"]["edges"] for d in got["datasets"]], "report: edges")
        expect(len(f["zz_cohort/error_text"]) == len(got["errors"]), "report: errors")
        expect(f["histogram_counts"].dims[1][0].name == "/bin", "report: dimension scales")
        expect(units_in(f) == {name: "1" for name in COUNTS}, "report: units of several kinds")
    check_units(program, folder)
    code, _, err = run(program, ["--output", os.path.join(folder, "no", "where.h5"), good])
    expect(code != 0 and "No such file" in err, f"report into a missing folder: {code} {err}")
    expect(run(program, ["--output", "/dev/full/x.h5", good])[0] != 0, "report: impossible path")
    left = [name for name in os.listdir(folder) if ".tmp." in name]
    expect(left == [], f"temporary files left behind: {left}")


def check_output_refused(program, folder):
    """What --output must not replace; and that a link to a file stays one. No device is tried."""
    def at(name):
        return os.path.join(folder, name)

    def put(name, make):
        if os.path.lexists(at(name)):
            (os.rmdir if os.path.isdir(at(name)) else os.unlink)(at(name))
        make(at(name))
        return at(name)

    whole = at("whole.h5")
    with open(whole, "rb") as f:
        content = f.read()
    fifo = put("fifo", os.mkfifo)
    refused = {
        fifo: "it is a FIFO, not a regular file",
        put("to_fifo", lambda path: os.symlink("fifo", path)): "a FIFO, not a regular file",
        put("a_folder", os.mkdir): "a directory, not a regular file",
        put("nowhere", lambda path: os.symlink("not there", path)): "a link that leads nowhere",
        whole: "same file as the input",
        put("hard.h5", lambda path: os.link(whole, path)): "same file as the input",
        put("soft.h5", lambda path: os.symlink("whole.h5", path)): "same file as the input",
    }
    before = sorted(os.listdir(folder))
    for output, text in refused.items():
        for name in (whole, whole + ":/x"):
            code, out, err = run(program, ["--output", output, at("missing.h5"), name])
            expect(code == 2, f"--output {output}: exit code {code}")
            expect(text in err and output in err, f"--output {output}: '{err}' lacks '{text}'")
            expect(err.count("\n") == 1, f"--output {output}: not one line: {err}")
            expect(out == b"", f"--output {output}: work was done before it was refused")
    expect(sorted(os.listdir(folder)) == before, "--output: files came or went")
    with open(whole, "rb") as f:
        expect(f.read() == content, "--output: the input was changed")
    old = put("old.h5", lambda path: open(path, "w").close())
    link = put("to_old.h5", lambda path: os.symlink("old.h5", path))
    code, _, err = run(program, ["--output", link, whole])
    expect(code == 0 and os.path.islink(link), f"--output through a link: {code} {err}")
    with h5py.File(old, "r") as f:
        expect("mean" in f, "--output through a link: the file that it leads to is another")


def check_out_of_workers(program, folder, big):
    """Too few descriptors for any worker: every figure is missing, and nothing else."""
    path = os.path.join(folder, "empty_dataset.h5")
    with h5py.File(path, "w") as f:
        f["empty"] = np.zeros((0,))
    output = os.path.join(folder, "out_of_workers.h5")
    few = ["bash", "-c", 'ulimit -n 14 && exec "$@"', "bash"] + program[:1] + ["--workers", "local:8"]
    code, got = run_json(few, ["--output", output, big, path])
    expect(code == 2, f"out of workers: exit code {code}")
    expect([d["dataset"] for d in got["datasets"]] == ["/empty"], "out of workers: other datasets")
    expect({e["dataset"] for e in got["errors"]} == set(arrays_of(big)), "out of workers: errors")
    for error in got["errors"]:
        expect("Too many open files" in error["error"], f"out of workers: {error}")
    with h5py.File(output, "r") as f:
        expect(len(f["zz_cohort/error_text"]) == len(got["errors"]), "out of workers: the HDF5 report")
    code, out, _ = run(few, [big])
    expect(code == 2 and b"Too many open files" in out, f"out of workers: table: {code} {out}")
    few[2] = 'ulimit -n 8 && exec "$@"'
    # A sanitizer's search for leaks needs descriptors itself.
    code, _, err = run(few, [big], environment={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    expect(code == 2 and "Too many open files" in err, f"not even a cluster: {code} {err}")


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    program, folder = sys.argv[1:-1], os.path.abspath(sys.argv[-1])
    program[0] = os.path.abspath(program[0])
    os.makedirs(folder, exist_ok=True)
    good = write_good(folder)
    big = write_big(folder)
    check_file(program, good)
    check_file(program, good, bins=7)
    check_file(program, good, bins=1)
    check_file(program, big)
    check_file(program, big, bins=5000)
    coastlines = sorted(glob.glob("/usr/share/gmt-gshhg/*.nc"))
    expect(coastlines, "the coastlines of gmt-gshhg-full are not there")
    for path in coastlines:
        check_file(program, path)
    code, got = run_json(program, [good + ":/int_62"])
    std = got["datasets"][0]["std"] if got["datasets"] else None
    expect(close(std, root(Fraction(2, 3))), f"2^62 + {{0, 1, 2}}: std {std}")
    check_bad_files(program, folder)
    check_mixed(program, folder)
    check_links(program, folder)
    check_virtual(program, folder)
    check_permission(program, folder)
    check_reports(program, folder, good)
    check_output_refused(program, folder)
    check_out_of_workers(program, folder, big)
    code, _, _ = run(program, ["--no-such-option"])
    expect(code == 2, f"bad command line: exit code {code}")
    print(f"{len(failures)} failures" if failures else "all figures agree")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
