"""Output that several commands have in common."""

from __future__ import annotations

import argparse
import sys

from memnotify.text import printable_lines


def add_json(parser: argparse.ArgumentParser, detail: str = "") -> None:
    """Add `--json`; `detail` is added to its description."""
    parser.add_argument("--json", action="store_true", help=f"print JSON{detail}")


def say(line: str) -> None:
    """Print lines on stderr."""
    print(printable_lines(line), file=sys.stderr, flush=True)
