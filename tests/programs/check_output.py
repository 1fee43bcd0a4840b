#!/usr/bin/python3
"""Runs a program and checks the whole of what it prints: nothing on stderr, exit code 0.

usage: check_output.py [--mpirun] EXPECTED-STDOUT-FILE PROGRAM [ARGUMENT...]
--mpirun: what mpirun says of ranks that ended on stderr is ignored
"""

import difflib
import subprocess
import sys

TIMEOUT_S = 50  # below ctest's, so that what was printed until then is shown


def main(expected_file, *command):
    of_mpirun = expected_file == "--mpirun"
    if of_mpirun:
        expected_file, *command = command
    try:
        run = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as late:
        return f"not done after {TIMEOUT_S} s; its output: {late.stdout} {late.stderr}"
    with open(expected_file, encoding="utf-8") as file:
        expected = file.read()
    faults = list(difflib.unified_diff(expected.splitlines(keepends=True),
                                       run.stdout.splitlines(keepends=True), expected_file,
                                       "what it printed"))
    errors = [line for line in run.stderr.splitlines() if not (of_mpirun and "PMIX ERROR" in line)]
    if errors:
        faults.append(f"on stderr: {errors}")
    if run.returncode != 0:
        faults.append(f"exit code {run.returncode}")
    return "".join(faults)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]) or 0)
