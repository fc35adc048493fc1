"""Argument types for file names; an empty one, such as from an unset variable, is refused."""

from __future__ import annotations

import argparse
from pathlib import Path


def named(text: str) -> str:
    """Return a path as it was given."""
    if not text:
        raise argparse.ArgumentTypeError("the name is empty")
    return text


def path(text: str) -> Path:
    """Return a path; `Path` itself would take an empty name for the current folder."""
    return Path(named(text))
