#!/usr/bin/env python3
"""Writes a measured workflow (.tsv, .tsv.gz; tests/data/README.md) as Orchfile, Makefile and build.ninja into a directory.

Each task appends `s ID` and `e ID` to the file log there, and sleeps a thousandth of the time that was measured in between.
"""

import argparse
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import graphs  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workflow")
    parser.add_argument("directory")
    parser.add_argument("--scale", type=float, default=0.001, help="of the measured seconds (default 0.001; 0: no sleeping)")
    parser.add_argument("--longest", type=float, help="no sleep is longer, in seconds")
    parser.add_argument("--format", choices=("orch", "make", "ninja"), help="only this one")
    options = parser.parse_args()

    tasks = graphs.read_workload(options.workflow)
    os.makedirs(options.directory, exist_ok=True)
    graphs.logging_commands(tasks, "log", options.scale, options.longest)
    if options.format in (None, "orch"):
        graphs.write_orchfile(tasks, os.path.join(options.directory, "Orchfile"))
    if options.format in (None, "make"):
        graphs.write_makefile(tasks, os.path.join(options.directory, "Makefile"), touch=True)
    if options.format in (None, "ninja"):
        graphs.write_ninja(tasks, os.path.join(options.directory, "build.ninja"), touch=True)


if __name__ == "__main__":
    main()
