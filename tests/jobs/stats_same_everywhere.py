#!/usr/bin/env python3
"""stats_same_everywhere.py COHORT_STATS "OPTIONS" [LAUNCHER...]: the figures of one file, computed by
two local workers and, under that launcher, with the given options, must be the same to the last bit."""

import json
import pathlib
import subprocess
import sys
import tempfile

import h5py
import numpy


def figures(program, options, file, launcher=()):
    result = subprocess.run([*launcher, program, *options, "--json", str(file)], capture_output=True, text=True,
                            timeout=100, check=False)
    assert result.returncode == 0, f"{options}: exit code {result.returncode}: {result.stderr}"
    report = json.loads(result.stdout)
    report.pop("provenance")  # the command line and the time differ
    return report


def main():
    program, options = sys.argv[1], sys.argv[2].split()
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "numbers.h5"
        with h5py.File(file, "w") as out:
            random = numpy.random.default_rng(7)
            out.create_dataset("wide", data=random.normal(1e9, 1, (3000, 400)), chunks=(100, 400))
            out.create_dataset("counts", data=random.integers(-5, 5, 100_000), chunks=(1000,))
        local = figures(program, ["--workers", "local:2"], file)
        elsewhere = figures(program, options, file, sys.argv[3:])
    assert len(local["datasets"]) == 2 and not local["errors"], local
    assert elsewhere == local, f"{elsewhere} differs from {local}"


main()
