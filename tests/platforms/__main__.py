"""`python3 tests/platforms`: the tests on other distributions; see platforms.py."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

# The package is found from its checkout, without PYTHONPATH, which the chroots would inherit.
sys.path[0] = str(Path(__file__).resolve().parents[2])
runpy.run_module("tests.platforms.platforms", run_name="__main__", alter_sys=True)
