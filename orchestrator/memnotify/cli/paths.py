"""Types of arguments that name files; an empty one, of a variable not set, is no file at all."""

from __future__ import annotations

import argparse
from pathlib import Path


def named(text: str) -> str:
    """Return a path as it was given."""
    if not text:
        raise argparse.ArgumentTypeError("the name is empty")
    return text


def path(text: str) -> Path:
    """Return a path: `Path` itself takes the empty one for the current folder."""
    return Path(named(text))
