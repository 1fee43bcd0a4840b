#!/usr/bin/python3
"""Checks that a cohort-stats program needs little memory, whatever its input is like.

usage: stats_memory.py PROGRAM WORK-FOLDER plain|compressed|chunks|datasets

Runs PROGRAM with 4 workers over a generated file, and adds up what its processes have in memory at
each moment, pages that they share counted once (PSS). Needs h5py. Exits 0 or 1.
"""

import glob
import json
import os
import subprocess
import sys
import time
import zlib

import h5py
import numpy as np


def write_plain(f):
    """4 GiB of doubles, all 0, of which the file system stores nothing."""
    count = 1 << 29
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    h5py.h5d.create(f.id, b"zeros", h5py.h5t.IEEE_F64LE, h5py.h5s.create_simple((count,)), layout)
    return count


def write_compressed(f):
    """4 GiB of floats in chunks of 2 MiB, the same one again and again."""
    chunk = zlib.compress(np.arange(512 * 1024, dtype="f4").tobytes(), 1)
    dataset = f.create_dataset("x", (2048, 512, 1024), "f4", chunks=(1, 512, 1024), compression="gzip")
    for i in range(2048):
        dataset.id.write_direct_chunk((i, 0, 0), chunk)
    return 1 << 30


def write_chunks(f):
    """A million chunks of 64 bytes."""
    dataset = f.create_dataset("x", (8_000_000,), "f8", chunks=(8,))
    for i in range(0, 8_000_000, 800_000):
        dataset[i:i + 800_000] = np.arange(800_000)
    return 8_000_000


def write_datasets(f):
    """A hundred thousand small datasets."""
    for i in range(100):
        group = f.create_group(f"group{i:03d}")
        for k in range(1000):
            group.create_dataset(f"dataset{k:04d}", data=np.arange(10.0))
    return 1_000_000


# What writes it, and how much memory it may take.
CASES = {"plain": (write_plain, 300), "compressed": (write_compressed, 300),
         "chunks": (write_chunks, 400), "datasets": (write_datasets, 600)}


def pss_kib(pid):
    try:
        with open(f"/proc/{pid}/smaps_rollup") as rollup:
            return next((int(line.split()[1]) for line in rollup if line.startswith("Pss:")), 0)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
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
    program, folder, case = sys.argv[1:]
    write, limit_mib = CASES[case]
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f"{case}.h5")
    with h5py.File(path, "w", libver="latest") as f:
        count = write(f)
    most, workers = 0, set()
    with open(os.path.join(folder, f"{case}.json"), "w+") as output:
        job = subprocess.Popen([program, "--workers", "local:4", "--json", path], stdout=output)
        while job.poll() is None:
            children = children_of(job.pid)
            workers.update(children)
            most = max(most, sum(pss_kib(pid) for pid in [job.pid, *children]))
            time.sleep(0.02)
        output.seek(0)
        results = json.load(output)["datasets"]
    os.remove(path)
    print(f"{len(workers)} workers, {most >> 10} MiB in all; {limit_mib} MiB at most")
    good = (job.returncode == 0 and sum(each["count"] for each in results) == count and
            len(workers) == 4 and 0 < most <= limit_mib << 10)
    sys.exit(0 if good else 1)


main()
