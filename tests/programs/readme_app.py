#!/usr/bin/python3
"""Does what the README says of "Your own worker, in five minutes", with its own listings.

usage: readme_app.py README PROJECT-FOLDER WORK-FOLDER

Writes the program and the CMakeLists.txt into WORK-FOLDER/my_app, beside a link "cohort" to the
project; builds it, without HDF5 and JSON, which it must not need, and without optimisation, which
takes long; and runs it over both transports.
"""

import os
import re
import subprocess
import sys

readme = open(sys.argv[1], encoding="utf-8").read()
project, folder = (os.path.abspath(path) for path in sys.argv[2:4])
app = os.path.join(folder, "my_app")
os.makedirs(app, exist_ok=True)
if not os.path.islink(os.path.join(folder, "cohort")):
    os.symlink(project, os.path.join(folder, "cohort"))
for language, name in (("cpp", "my_app.cpp"), ("cmake", "CMakeLists.txt")):
    listing = re.search(rf"```{language}\n(.*?)```", readme, flags=re.DOTALL).group(1)
    path = os.path.join(app, name)
    if not os.path.exists(path) or open(path, encoding="utf-8").read() != listing:
        with open(path, "w", encoding="utf-8") as f:
            f.write(listing)

build = os.path.join(app, "build")
subprocess.run(["cmake", "-S", app, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=",
                "-DCMAKE_DISABLE_FIND_PACKAGE_HDF5=ON",
                "-DCMAKE_DISABLE_FIND_PACKAGE_nlohmann_json=ON"], check=True)
subprocess.run(["cmake", "--build", build], check=True)
for options in ([], ["--transport", "tcp"]):
    run = subprocess.run([os.path.join(build, "my_app")] + options, capture_output=True, text=True,
                         timeout=60)
    if run.returncode != 0 or run.stdout != "14\n" * 4:
        sys.exit(f"my_app {options}: {run.returncode}, {run.stdout}, {run.stderr}")
