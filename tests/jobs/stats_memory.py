#!/usr/bin/python3
"""Checks that a cohort-stats program needs little memory for a dataset that is larger than that.

usage: stats_memory.py PROGRAM WORK-FOLDER

Runs PROGRAM with 4 workers over a sparse dataset of 4 GiB, and adds up the most that its processes
ever had in memory (VmHWM): 600 MiB at most. Needs h5py. Exits 0 or 1.
"""

import glob
import json
import os
import subprocess
import sys
import time

import h5py

LIMIT_KIB = 600 << 10
COUNT = 1 << 29


def write_sparse(path):
    """4 GiB of doubles, all 0, of which the file system stores nothing."""
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    with h5py.File(path, "w") as f:
        h5py.h5d.create(f.id, b"zeros", h5py.h5t.IEEE_F64LE, h5py.h5s.create_simple((COUNT,)), layout)


def peak_kib(pid):
    try:
        with open(f"/proc/{pid}/status") as status:
            return next((int(line.split()[1]) for line in status if line.startswith("VmHWM")), 0)
    except (FileNotFoundError, ProcessLookupError):
        return 0


def children_of(pid):
    """Of all its threads: one of them starts the workers."""
    found = []
    for name in glob.glob(f"/proc/{pid}/task/*/children"):
        try:
            with open(name) as children:
                found += children.read().split()
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def main():
    program, folder = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "sparse.h5")
    write_sparse(path)
    job = subprocess.Popen([program, "--workers", "local:4", "--json", path],
                           stdout=subprocess.PIPE, text=True)
    peaks = {}
    while job.poll() is None:
        for pid in [job.pid, *children_of(job.pid)]:
            peaks[pid] = max(peaks.get(pid, 0), peak_kib(pid))
        time.sleep(0.02)
    result = json.load(job.stdout)["datasets"][0]
    os.remove(path)
    total = sum(peaks.values())
    print(f"{len(peaks)} processes, {total >> 10} MiB in all")
    good = (job.returncode == 0 and result["count"] == COUNT and result["max"] == 0 and
            len(peaks) == 5 and total <= LIMIT_KIB)
    sys.exit(0 if good else 1)


main()
