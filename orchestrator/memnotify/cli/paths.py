"""Argument types for file names; an empty one, such as from an unset variable, is refused."""

from __future__ import annotations

import argparse
from pathlib import Path

from memnotify.places import CAMPAIGNS, HOME, only_one, own_folders


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

    campaigns/NAME.toml is one of memnotify's own, or of the user's folders, if the current folder
    has no such file.
    """
    given = path(text)
    if given.exists() or not (HOME / given).is_relative_to(CAMPAIGNS):
        return given
    there = [file for at in (HOME, *own_folders()) if (file := at / given).is_file()]
    return only_one(there, f"campaign {given}") or given
