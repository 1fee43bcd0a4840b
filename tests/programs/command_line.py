#!/usr/bin/python3
"""What a program of start_app makes of its command line and its environment, and that it loads no MPI.

usage: command_line.py PROGRAM

PROGRAM reads no arguments of its own and is not linked with cohort::mpi. Exits 0 or 1.
"""

import os
import subprocess
import sys

CASES = [
    # exit code, text (on stdout where the code is 0, else on stderr), arguments, environment
    (0, "--workers", ["--help"], {}),
    (2, "nonsense", ["--nonsense"], {}),
    (2, "stray", ["stray"], {}),
    (2, "--workers", ["--workers", "several"], {}),
    (2, "expected debug, info, warning, error or off", [], {"COHORT_LOG": "loud"}),
    (2, "COHORT_SPIN", [], {"COHORT_SPIN": "fast"}),
    (1, "error: ", ["--workers", "mpi:2"], {}),
]

failed = []
needed = subprocess.run(["readelf", "--dynamic", sys.argv[1]], capture_output=True, text=True,
                        check=True).stdout
if "libmpi" in needed or "NEEDED" not in needed:
    failed.append(f"it loads MPI, or nothing:\n{needed}")
for code, text, arguments, variables in CASES:
    run = subprocess.run([sys.argv[1], *arguments], capture_output=True, text=True, timeout=50,
                         check=False, env={**os.environ, **variables})
    said, other = (run.stdout, run.stderr) if code == 0 else (run.stderr, run.stdout)
    if run.returncode != code or text not in said or other:
        failed.append(f"{arguments} {variables}: exit code {run.returncode}\n{run.stdout}{run.stderr}")
sys.exit("\n".join(failed) if failed else 0)
