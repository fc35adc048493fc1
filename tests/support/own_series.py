"""Campaigns with series of the user's own, and a repository that has some."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from memnotify.campaign.load import load_campaign
from memnotify.errors import InputError
from memnotify.process import run
from memnotify.series.quilt import MEM_NOTIFY

from tests.support.good_campaign import GOOD

V4 = MEM_NOTIFY / "v4/6.1"
ALWAYS = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


def campaign(folder: Path, *words: str, more: str = "") -> Path:
    listed = ", ".join(f'"{word}"' for word in words)
    file = folder / "try.toml"
    file.write_text(GOOD.replace('["none", "v4"]', f"[{listed}]") + more)
    return file


def series_of(folder: Path, *words: str) -> list[str]:
    return load_campaign(campaign(folder, *words)).table.matrix.series


def refused(folder: Path, *words: str) -> str:
    with pytest.raises(InputError) as told:
        load_campaign(campaign(folder, *words))
    return str(told.value)


def git(tree: Path, *words: str, when: int = 1_200_000_000) -> str:
    who = {
        f"GIT_{one}_{what}": "a@example.org" if what == "EMAIL" else "A"
        for one in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    dates = {"GIT_AUTHOR_DATE": "1200000000 +0000", "GIT_COMMITTER_DATE": f"{when} +0000"}
    return run(["git", *words], cwd=tree, env={**ALWAYS, **who, **dates}, timeout=60).stdout.strip()


def commit(tree: Path, text: str, message: str, **options: Any) -> str:
    (tree / "mm.c").write_text(text)
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", message, **options)
    return git(tree, "rev-parse", "--short=7", "HEAD")


WORD = "git:linux#base..fix/guard"


def repository(folder: Path) -> Path:
    """Make a repository with a tag `base` and a branch `fix/guard` of two commits."""
    tree = folder / "linux"
    tree.mkdir()
    git(tree, "init", "-q", "-b", "master")
    commit(tree, "guard = 10;\n", "the base")
    git(tree, "tag", "base")
    git(tree, "checkout", "-q", "-b", "fix/guard")
    commit(tree, "guard = 5;\n", "Five seconds")
    commit(tree, "guard = 3;\n", "Three seconds")
    return tree
