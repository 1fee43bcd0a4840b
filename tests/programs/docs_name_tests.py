#!/usr/bin/python3
"""Every test that docs/parity.md and docs/failures.md name exists, and every row names one.

usage: docs_name_tests.py CTEST BUILD-FOLDER FILE...

A name stands in backquotes, as in `Functions.StreamOut` or `compile_fail.*`. Those of MPI's tests
(`mpi.…`, `ranks.…`) are looked up where the build has any.
"""

import fnmatch
import re
import subprocess
import sys

ctest, build, files = sys.argv[1], sys.argv[2], sys.argv[3:]
listing = subprocess.run([ctest, "--test-dir", build, "-N"], capture_output=True, text=True,
                         check=True).stdout
# "Test #7: At/Functions.StreamOut/tcp_local  # GetParam() = ..." is Functions.StreamOut.
tests = set()
for name in re.findall(r"Test +#\d+: (\S+)", listing):
    parts = name.split("/")
    tests.add(next((part for part in parts if "." in part), name))
of_mpi = ("mpi.", "ranks.")
has_mpi = any(test.startswith(of_mpi) for test in tests)
missing = []
for file in files:
    text = open(file, encoding="utf-8").read()
    for row in re.findall(r"^\|(?! *#? *\||-|.*shown by \|$)(.*)\|$", text, re.MULTILINE):
        cells = row.split("|")
        if "`" not in cells[-1] and "not yet" not in row:
            missing.append(f"{file}: no test shows{cells[0]}|{cells[1]}")
    for name in re.findall(r"`(\w+\.[\w.*]+)`", text):
        if name.endswith((".md", ".cpp", ".h")) or (name.startswith(of_mpi) and not has_mpi):
            continue
        if not any(fnmatch.fnmatchcase(test, name) or test.startswith(name + ".") for test in tests):
            missing.append(f"{file}: there is no test {name}")
if len(tests) < 100:
    missing.append(f"only {len(tests)} tests found in {build}")
sys.exit("\n".join(missing) if missing else 0)
