#!/usr/bin/python3
"""Kills a part of a running job of ranks, and looks at what is left.

usage: ranks_killed.py mpi_cycles ON_RANKS

Rank 0 (the master) and mpirun: nothing is left, and mpirun does not end with 0. An agent: its worker is reported, and the job goes
on until the stream of that worker is missed. The last two also where
rank 0 is alone and spawns its workers. Exits 0 or 1.
"""

import os
import signal
import subprocess
import sys
import time

BOUND = 60  # seconds


def processes_of(program):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/exe") == program:
                found.append(int(pid))
        except OSError:
            pass
    return found


def variables_of(pid):
    with open(f"/proc/{pid}/environ", "rb") as file:
        return file.read().split(b"\0")


def shared_memory_of(pids):
    """The files of Open MPI's, which nobody removes where mpirun is killed."""
    files = set()
    for pid in pids:
        try:
            with open(f"/proc/{pid}/maps") as maps:
                files.update(line.split()[-1] for line in maps if "/dev/shm/vader_segment." in line)
        except OSError:
            pass
    return files


def wait_until(holds):
    deadline = time.monotonic() + BOUND
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def child_of_rank(mpirun, rank):
    """mpirun's own child: rank 0 is the master, the others are agents."""
    for name in os.listdir(f"/proc/{mpirun}/task"):
        with open(f"/proc/{mpirun}/task/{name}/children") as children:
            for pid in children.read().split():
                if f"OMPI_COMM_WORLD_RANK={rank}".encode() in variables_of(pid):
                    return int(pid)
    raise RuntimeError(f"mpirun has no child of rank {rank}")


RANKS = ["6", "--workers", "ranks", "--mpi-replace"]
SPAWNED = ["1", "--workers", "mpi:4"]


def check(program, on_ranks, how, victim):
    ranks, *arguments = how
    command = [on_ranks, ranks, program, *arguments, "--mpi-oversubscribe", "100000"]
    shared = set()
    job = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        for line in job.stderr:  # until the first worker has died, as it should
            if "disconnected" in line:
                break
        shared = shared_memory_of(processes_of(program))
        pid = job.pid if victim == "mpirun" else child_of_rank(job.pid, 0 if victim == "master" else 2)
        os.kill(pid, signal.SIGKILL)
        if victim == "agent":
            told = any("worker 2 " in line and "disconnected" in line for line in job.stderr)
            if not told or job.wait(BOUND) == 0:
                return False
        if victim == "master" and job.wait(BOUND) != 1:
            return False
        return wait_until(lambda: not processes_of(program))
    finally:
        job.stderr.close()
        job.kill()
        for pid in processes_of(program):
            os.kill(pid, signal.SIGKILL)
        job.wait()
        for file in filter(os.path.exists, shared):
            os.remove(file)


def main():
    program, on_ranks = os.path.realpath(sys.argv[1]), sys.argv[2]
    cases = [(RANKS, "master"), (RANKS, "mpirun"), (RANKS, "agent"), (SPAWNED, "master"), (SPAWNED, "mpirun")]
    failed = [f"{how}: {victim}" for how, victim in cases if not check(program, on_ranks, how, victim)]
    for victim in failed:
        print(f"{victim} killed: not what was expected", file=sys.stderr)
    sys.exit(1 if failed else 0)


main()
