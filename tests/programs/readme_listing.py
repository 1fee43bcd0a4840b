#!/usr/bin/python3
"""Checks that the README's C++ listings are the programs that the tests compile and run.

usage: readme_listing.py README PROGRAM-SOURCE ...

Each program must be a listing, and each listing one of the programs.
"""

import re
import sys

readme, *sources = (open(path, encoding="utf-8").read() for path in sys.argv[1:])
listings = re.findall(r"```cpp\n(.*?)```", readme, flags=re.DOTALL)
for path, source in zip(sys.argv[2:], sources):
    if source not in listings:
        sys.exit(f"{path} is not a listing of {sys.argv[1]}: make them the same")
for listing in listings:
    if listing not in sources:
        sys.exit(f"no test compiles this listing of {sys.argv[1]}:\n{listing}")
