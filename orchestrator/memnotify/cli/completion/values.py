"""What completion scripts ask for when a key is pressed: runs, cells, series and other names."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType


def _runs(_: Sequence[str]) -> Iterator[str]:
    from memnotify.results.runs import run_folders

    yield from map(str, run_folders(Path("runs")))


def _cells(words: Sequence[str]) -> Iterator[str]:
    """Yield the names of the cells of each run that the command line names."""
    from memnotify.results.folder import PLAN, RunFolder

    for word in words:
        if (Path(word) / PLAN).is_file():
            for row in RunFolder(Path(word)).plan():
                yield row.name


def _series(_: Sequence[str]) -> Iterator[str]:
    from memnotify.series.quilt import NONE, revisions

    yield from (NONE, *revisions())


def _bases(_: Sequence[str]) -> Iterator[str]:
    from memnotify.kernel.base import bases

    yield from bases()


def _findings(_: Sequence[str]) -> Iterator[str]:
    from memnotify.report.explain import every

    for one in every():
        yield one.name


def _store(_: Sequence[str]) -> Iterator[str]:
    from memnotify.run.storage import KINDS

    yield from KINDS


def _commands(words: Sequence[str]) -> Iterator[str]:
    """Yield the commands that may follow `help` on the command line."""
    from memnotify.cli.main import parser

    at = parser()
    after = words[words.index("help") + 1 :] if "help" in words else ()
    for word in (*after, None):
        below = [a for a in at._actions if isinstance(a, argparse._SubParsersAction)]
        if not below:
            return
        if word is None or word not in below[0].choices:
            yield from below[0].choices
            return
        at = below[0].choices[word]


VALUES: Mapping[str, Callable[[Sequence[str]], Iterator[str]]] = MappingProxyType(
    {
        "runs": _runs,
        "cells": _cells,
        "series": _series,
        "bases": _bases,
        "findings": _findings,
        "store": _store,
        "commands": _commands,
    }
)
"""What can only be known when a key is pressed, by what the scripts call it."""
