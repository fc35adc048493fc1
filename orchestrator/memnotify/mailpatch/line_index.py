"""Look up the lines of a file by the part of them that every archive preserves."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Sequence

from memnotify.mailpatch.tokens import key, plain


@functools.lru_cache(maxsize=64)
def index_of(lines: tuple[str, ...]) -> FileIndex:
    """Return the index of a file; one patch of a series often changes the file of another."""
    return FileIndex(lines)


class FileIndex:
    """The lines of a file by their keys."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = lines
        self.keys = [key(line) for line in lines]
        self.places: dict[str, list[int]] = defaultdict(list)
        for number, word in enumerate(self.keys):
            self.places[word].append(number)

    def is_other(self, number: int, said: str | None) -> bool:
        """Return whether a line differs from that of a mail in letters that its key leaves out."""
        return said is not None and said != letters(self.lines[number])


def letters(line: str) -> str:
    """Return a line without its white space."""
    return "".join(plain(line).split())
