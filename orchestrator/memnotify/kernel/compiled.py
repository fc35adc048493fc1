"""How far a kernel's build is: files compiled, of how many.

How many a build compiles is known from the last one of the same kind, or else from the base.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from memnotify.files import replace_text
from memnotify.jsontext import dump, parse
from memnotify.store import Store
from memnotify.text import counted

Tell = Callable[["Compiled"], None]

_SAID_EVERY = 20.0
"""Seconds between two lines about a build that has no board."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """`files` of `of` files are compiled; `of` is None if that is not known.

    With `most`, `of` is a limit: make may have less to do.
    """

    files: int
    of: int | None = None
    most: bool = False

    @classmethod
    def among(cls, files: int, of: int | None, *, most: bool, all_of: int | None = None) -> Self:
        """Return it; `of` is left out if it has turned out to be too small. In that case `all_of`,
        the number of files that a build of everything compiles, is the limit.
        """
        if of is not None and files <= of:
            return cls(files, of, most)
        return cls(files) if all_of is None or files > all_of else cls(files, all_of, most=True)

    def __str__(self) -> str:
        if self.of is None:
            return f"{counted(self.files, 'file')} compiled"
        return f"{self.files} of {'at most' if self.most else 'about'} {self.of} files compiled"


def now_and_then(say: Callable[[str], None]) -> Tell:
    """Return a function that says how far a build is, but not more often than anybody reads it."""
    last = -_SAID_EVERY

    def tell(compiled: Compiled) -> None:
        nonlocal last
        if time.monotonic() - last >= _SAID_EVERY:
            last = time.monotonic()
            say(str(compiled))

    return tell


def count_compiled(output: Path) -> int:
    """Return how many files make says that it has compiled."""
    try:
        return output.read_bytes().count(b"\n  CC ")
    except FileNotFoundError:
        return 0


class Counts:
    """How many files builds compiled, by their kind; a damaged or missing file is an empty one."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._file = store.folder("durations") / "compiled.json"

    def of(self, kind: str) -> int | None:
        """Return how many files the last build of a kind compiled."""
        return self._known().get(kind)

    def note(self, kind: str, files: int) -> None:
        """Keep how many files a build compiled, if that can be written."""
        with contextlib.suppress(OSError), self._store.lock("compiled"):
            replace_text(self._file, dump(self._known() | {kind: files}))

    def _known(self) -> dict[str, int]:
        try:
            known = parse(self._file.read_text(encoding="utf-8"))
            return {str(kind): int(files) for kind, files in known.items() if int(files) > 0}
        except (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            return {}
