#!/usr/bin/python3
"""Checks that cohort-stats counts what a file does not hold of its datasets instead of reading it.

usage: stats_unstored.py PROGRAM WORK-FOLDER

The datasets have up to 2^62 elements, and the file next to nothing: a program that reads them does
not end. Needs h5py. Exits 0 or 1.
"""

import json
import os
import subprocess
import sys

import h5py
import numpy as np

PATIENCE_S = 100  # of a machine that does much else
TOP = 2 ** 62


def write(path):
    """Dataset to its count, count that is not finite, minimum, maximum, mean."""
    with h5py.File(path, "w") as f:
        def add(name, shape, dtype, fill, **options):
            return f.create_dataset(name, shape, dtype, fillvalue=fill, **options)

        add("chunked", (100_000, 10_000), "f8", 2.5, chunks=True)
        add("tiny", (100_000, 10_000), "i4", -7, chunks=(1, 1))
        add("contiguous", (2 ** 40,), "f4", 1.5)
        add("no_fill", (2 ** 40,), "i2", None)
        add("compressed", (2 ** 31, 2 ** 31), "i4", 3, chunks=(1024, 1024), compression="gzip")
        add("highest", (TOP,), "u8", 2 ** 64 - 1, chunks=(1024,))
        add("nan", (2 ** 61,), "f8", np.nan, chunks=(2 ** 20,))
        corners = add("corners", (2 ** 31, 2 ** 31), "f8", 0.1, chunks=(16, 16), maxshape=(None, None))
        corners[5, 5] = 9
        corners[-1, -1] = -4
        row = add("row", (100_000, 10_000), "f4", 0, chunks=(100, 100))
        row[500] = 1
        add("edge", (2 ** 31 + 3, 5), "i1", 1, chunks=(1000, 3))[2 ** 31 + 2, 4] = 2
    return {
        "chunked": (10 ** 9, 0, 2.5, 2.5, 2.5),
        "tiny": (10 ** 9, 0, -7, -7, -7),
        "contiguous": (2 ** 40, 0, 1.5, 1.5, 1.5),
        "no_fill": (2 ** 40, 0, 0, 0, 0),
        "compressed": (TOP, 0, 3, 3, 3),
        "highest": (TOP, 0, 2 ** 64 - 1, 2 ** 64 - 1, 2.0 ** 64),
        "nan": (0, 2 ** 61, None, None, None),
        "corners": (TOP, 0, -4, 9, 0.1),
        "row": (10 ** 9, 0, 0, 1, 1e-5),
        "edge": (5 * (2 ** 31 + 3), 0, 1, 2, 1 + 1 / (5 * (2 ** 31 + 3))),
    }


def main():
    program, folder = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "unstored.h5")
    want = write(path)
    result = subprocess.run([program, "--workers", "local:2", "--json", path], capture_output=True,
                            text=True, timeout=PATIENCE_S, check=False)
    os.remove(path)
    got = json.loads(result.stdout)
    assert result.returncode == 0, got["errors"]
    for entry in got["datasets"]:
        name = entry["dataset"][1:]
        found = tuple(entry[key] for key in ("count", "nonfinite", "min", "max", "mean"))
        assert found == want.pop(name), f"{name}: {found}"
        assert sum(entry["histogram"]["counts"]) == entry["count"], f"{name}: histogram"
    assert not want, f"missing: {want}"


main()
