#!/usr/bin/env python3
"""told.py PROGRAM ARGUMENTS...: what a terminal is told of a job, each thing once."""

import os
import re
import subprocess
import sys
import time

PROGRAM = sys.argv[1]
ARGUMENTS = sys.argv[2:]
failed = []


def run(case):
    """Exit status, stdout and stderr, of the case in one process group with all of its output."""
    done = subprocess.run([PROGRAM, *ARGUMENTS, case], capture_output=True, text=True, timeout=50,
                          check=False, stdin=subprocess.DEVNULL,
                          env=dict(os.environ, COHORT_SHUTDOWN_TIMEOUT="1000",
                                   OMPI_ALLOW_RUN_AS_ROOT="1",
                                   OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1"))
    return done.returncode, done.stdout, done.stderr


def expect(what, condition, seen):
    if not condition:
        failed.append(what)
        print(f"{what}: {seen!r}", file=sys.stderr)


def told_once(case, text, status):
    code, _, errors = run(case)
    expect(f"{case}: exit status {status}", code == status, (code, errors))
    expect(f"{case}: told once", errors.count(text) == 1, errors)
    return errors


def is_gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


told_once("crash", "SIGSEGV", 1)
told_once("fail", "the quiet boom", 1)
told_once("thread", "the quiet boom", 1)
told_once("one_way", "the quiet boom", 1)
told_once("one_way_unheard", "the quiet boom", 0)
told_once("detached", "the quiet boom", 0)

code, out, errors = run("end_job")
expect("end_job: exit status 1", code == 1, (code, errors))
expect("end_job: told once", errors.count("the quiet boom") == 1, errors)
expect("end_job: in a line that says so", "the job ends with it (cohort::end_job)" in errors, errors)
workers = out.split()
expect("end_job: had two workers", len(workers) == 2, out)
deadline = time.monotonic() + 20
while not all(is_gone(pid) for pid in workers) and time.monotonic() < deadline:
    time.sleep(0.02)
expect("end_job: its workers go", all(is_gone(pid) for pid in workers), workers)

done = subprocess.run([PROGRAM, *ARGUMENTS, "progress"], capture_output=True, timeout=50, check=False)
expect("progress: is passed on", re.fullmatch(
    rb"\[worker 1 \S+ \d+\] 10%\r\[worker 1 \S+ \d+\] 20%\r\n", done.stdout), done.stdout)

code, out, errors = run("title")
master, comm, line = out.splitlines()
expect("title: comm is the program's", comm == os.path.basename(PROGRAM)[:15], out)
expect("title: names worker and master",
       re.search(rf"--cohort-worker=1,master=\S+:{master},name=reader ", line), out)

sys.exit(1 if failed else 0)
