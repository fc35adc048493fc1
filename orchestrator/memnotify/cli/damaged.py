"""The message about damaged results, for commands that read runs."""

from __future__ import annotations

import sys
from pathlib import Path

from memnotify.results.folder import RunFolder
from memnotify.text import printable


def say_damaged(*runs: Path) -> bool:
    """Print a line for each cell with damaged results; return whether there are any."""
    damaged = [line for run in runs for line in RunFolder(run).results()[1]]
    for line in damaged:
        say_line(line)
    return bool(damaged)


def say_line(line: str) -> None:
    """Print a line about damaged results."""
    print(printable(line), file=sys.stderr)
