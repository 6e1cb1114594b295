#!/usr/bin/env python3
"""Writes a random acyclic graph, the same one for the same seed, as Orchfile, Makefile and build.ninja into a directory."""

import argparse
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import graphs  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("directory")
    parser.add_argument("--smallest", type=int, default=5)
    parser.add_argument("--largest", type=int, default=40)
    options = parser.parse_args()

    tasks = graphs.random_graph(options.seed, options.smallest, options.largest)
    os.makedirs(options.directory, exist_ok=True)
    graphs.logging_commands(tasks, "log")
    graphs.write_orchfile(tasks, os.path.join(options.directory, "Orchfile"))
    graphs.write_makefile(tasks, os.path.join(options.directory, "Makefile"), touch=True)
    graphs.write_ninja(tasks, os.path.join(options.directory, "build.ninja"), touch=True)


if __name__ == "__main__":
    main()
