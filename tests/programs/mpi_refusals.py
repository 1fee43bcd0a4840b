#!/usr/bin/env python3
"""mpi_refusals.py MPI_FRAGILE: what cannot start under MPI is said in one line, in time, and takes
nothing else with it; and mpirun's exit status tells of failures."""

import os
import subprocess
import sys
import time

PROGRAM = sys.argv[1]
RECOVERY = "--enable-recovery"


def run(command, mpirun=None, environment=None, limit=40):
    """Exit status, stdout lines, stderr lines of ours, seconds."""
    prefix = [] if mpirun is None else ["mpirun", *mpirun]
    if mpirun and "-H" not in mpirun:
        prefix.insert(1, "--oversubscribe")
    variables = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                     EVENT_NOEPOLL="1", COHORT_LOG="warning", **(environment or {}))
    start = time.monotonic()
    done = subprocess.run([*prefix, PROGRAM, *command], capture_output=True, text=True, timeout=100,
                          check=False, env=variables, stdin=subprocess.DEVNULL)
    took = time.monotonic() - start
    assert took < limit, f"{prefix} {command} took {took:.1f} s: {done.stdout} {done.stderr}"
    return done.returncode, done.stdout.splitlines(), done.stderr.splitlines()


def refused(text, *arguments, lines=1, **options):
    status, out, errors = run(*arguments, **options)
    assert status == 1, f"{arguments} {options}: exit status {status}; {out}"
    said = len([line for line in errors if text in line])
    assert 1 <= said <= lines, f"{arguments}: {errors}"
    print(f"refused, as it should be: {text}")


def comes(expected_second, *arguments, **options):
    status, out, errors = run(*arguments, **options)
    assert status == 0, f"{arguments} {options}: exit status {status}; {out} {errors}"
    assert out[0] == "first: 3" and out[2] == "third: 3", f"{arguments} {options}: {out} {errors}"
    assert expected_second in out[1], f"{arguments} {options}: {out} {errors}"
    print(f"{arguments[0]}: {out[1]}")


def main():
    spawned = ["--workers", "mpi:1", "--mpi-oversubscribe"]
    ranks = ["--workers", "ranks"]
    # Commands that cannot be.
    refused("there are no others", ranks)
    refused("there are no others", ranks, mpirun=[RECOVERY, "-n", "1"])
    refused("without --enable-recovery", ranks, mpirun=["-n", "3"])
    refused("starts its workers by itself", spawned, mpirun=[RECOVERY, "-n", "2"], lines=2)
    refused("without --enable-recovery", spawned, mpirun=["-n", "1"])
    refused("--workers rank: expected", ["--workers", "rank"], mpirun=[RECOVERY, "-n", "3"])
    comes("second: 3", [*spawned, "--mpi-restart"], mpirun=["-n", "1"])
    # The program's own exit status.
    for mpirun, how in (([RECOVERY, "-n", "1"], spawned), ([RECOVERY, "-n", "3"], ranks)):
        status, out, _ = run([*how, "fail"], mpirun=mpirun)
        assert status in (1, 3) and out == ["first: 3", "third: 3"], f"{how}: {status} {out}"
    # Where there is no room: mpirun alone would wait for ever for what it could not start.
    status, out, errors = run(["--workers", "mpi:1"], mpirun=[RECOVERY, "-H", "localhost:1"])
    assert status == 1 and len(out) == 3, f"no slot: {status} {out} {errors}"
    assert all("no slot is left?" in line for line in out), f"no slot: {out}"
    print(out[0])
    comes("second: 3", spawned, mpirun=[RECOVERY, "-H", "localhost:1", "-n", "1"])
    # An installation with nothing in it; MPI ends the process by itself.
    refused("An error occurred in MPI_Init", spawned, environment={"OPAL_PREFIX": "/nowhere"})
    # A worker that does not come to life.
    comes("exited with code 3; before it had connected", [*spawned, "before"])
    comes("exited with code 3; before it had connected", [*spawned, "--mpi-fabric", "ucx", "before"],
          mpirun=[RECOVERY, "-n", "1"])
    comes("killed by signal 14", [*spawned, "in"])
    comes("exited with code 3", [*spawned, "after"])
    impatient = {"COHORT_HEARTBEAT_TIMEOUT": "1000", "COHORT_HEARTBEAT_INTERVAL": "200"}
    comes("it has not joined MPI", [*spawned, "hang"], environment=impatient)
    comes("second: 3", [*spawned, "slow"], environment=impatient)
    comes("exited with code 3; before it had connected", ranks, mpirun=[RECOVERY, "-n", "4"],
          environment={"FRAGILE": "before", "FRAGILE_RANK": "2"})
    # One that dies while it is no worker is passed over.
    status, out, errors = run(ranks, mpirun=[RECOVERY, "-n", "4"],
                              environment={"FRAGILE": "idle", "FRAGILE_RANK": "1"})
    assert status == 0 and out == ["first: 3", "second: 3", "third: 3"], f"idle: {status} {out} {errors}"
    assert len([line for line in errors if "rank 1 is lost" in line]) == 1, f"idle: {errors}"
    print("a rank that died while it was no worker is passed over")


main()
