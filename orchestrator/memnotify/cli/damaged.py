"""The message about damaged results, for commands that read runs."""

from __future__ import annotations

import sys
from pathlib import Path

from memnotify.results.folder import RunFolder
from memnotify.results.looked import Looked
from memnotify.text import printable


def say_damaged(run: Path) -> Looked:
    """Print a line for each cell with damaged results; return what the run has."""
    looked = Looked.at(RunFolder(run))
    for line in looked.damaged:
        say_line(line)
    return looked


def say_line(line: str) -> None:
    """Print a line about damaged results."""
    print(printable(line), file=sys.stderr)
