"""Options of the output that several commands have."""

from __future__ import annotations

import argparse


def add_json(parser: argparse.ArgumentParser, detail: str = "") -> None:
    """Add `--json`; `detail` is added to its description."""
    parser.add_argument("--json", action="store_true", help=f"print JSON{detail}")
