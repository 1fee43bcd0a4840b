#!/usr/bin/python3
"""Runs a program and checks the whole of what it prints: nothing on stderr, exit code 0.

usage: check_output.py EXPECTED-STDOUT-FILE PROGRAM [ARGUMENT...]
"""

import difflib
import subprocess
import sys

TIMEOUT_S = 50  # below ctest's, so that what was printed until then is shown


def main(expected_file, *command):
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
    if run.stderr:
        faults.append(f"on stderr: {run.stderr}")
    if run.returncode != 0:
        faults.append(f"exit code {run.returncode}")
    return "".join(faults)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]) or 0)
