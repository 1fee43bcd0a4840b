#!/usr/bin/python3
"""bench/report runs every benchmark, and its table has the works that the targets are set for.

usage: bench_report.py REPORT BIN-FOLDER

Looks at no figure but whether it is one: how fast this machine is right now is not the point.
"""

import re
import subprocess
import sys

report, programs = sys.argv[1:]
done = subprocess.run([sys.executable, report, programs, "--repetitions", "1"],
                      capture_output=True, text=True, check=False)
WORK = re.compile(r"\| (L\d+)/\S+( p50| p99| RSS| PSS)? +"
                  r"\| +[\d.e+]+ (\S+) \| +[\d.e+]+ \3 \| +[\d.e+]+ \|")
found = {match[1] for match in map(WORK.match, done.stdout.splitlines()) if match}
missing = {"L1", "L2", "L3", "L4", "L5", "L8", "L9", "L11", "L12"} - found
if done.returncode != 0 or missing:
    sys.exit(f"exit code {done.returncode}, no row for {sorted(missing)}:\n"
             f"{done.stderr}\n{done.stdout}")
