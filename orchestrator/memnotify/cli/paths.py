"""Argument types for file names; an empty one, such as from an unset variable, is refused."""

from __future__ import annotations

import argparse
from pathlib import Path

from memnotify.places import CAMPAIGNS, HOME


def named(text: str) -> str:
    """Return a path as it was given."""
    if not text:
        raise argparse.ArgumentTypeError("the name is empty")
    return text


def path(text: str) -> Path:
    """Return a path; `Path` itself would take an empty name for the current folder."""
    return Path(named(text))


def campaign(text: str) -> Path:
    """Return the path of a campaign.

    campaigns/NAME.toml is one of memnotify's own if the current folder has no such file.
    """
    given = path(text)
    own = HOME / given
    return own if own.is_relative_to(CAMPAIGNS) and own.is_file() and not given.exists() else given
