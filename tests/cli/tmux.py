#!/usr/bin/env python3
"""The part of terminal.py that is about `runner = tmux`: a suite of its own, since each is to be short."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import terminal  # noqa: E402

terminal.main(lambda what: what.startswith("tmux"))
