#!/usr/bin/python3
"""Checks that the README's listing is the program that the tests compile and run.

usage: readme_listing.py README PROGRAM-SOURCE
"""

import re
import sys

readme, source = (open(path, encoding="utf-8").read() for path in sys.argv[1:3])
listings = re.findall(r"```cpp\n(.*?)```", readme, flags=re.DOTALL)
if source not in listings:
    sys.exit(f"{sys.argv[2]} is not a listing of {sys.argv[1]}: make them the same")
