"""Use the `index` line of git's diffs, which has digests of a file before and after the change.

Blanks in a string that an archive collapsed cannot be restored from the text, but they can be
tried: if the old file matches its digest in that line, the new one must match too.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Collection, Iterator, Sequence

from memnotify.mailpatch.budget import Effort
from memnotify.mailpatch.changes import OpenFile, rebuild

_STRING = re.compile(r'"(?:\\.|[^"\\])*"')
_HOLE = "\0"  # not in any mail
_TRIES = 20_000  # steps; a digest of seven digits also fits one of 268 million other files
_SHARE = 8  # a search takes at most this fraction (1/8) of the steps that are left
_MOST = 100  # lost blanks
_BYTES, _PIECES = 50_000, 20  # digested, and joined, in the time of a step


def is_stated(file: OpenFile) -> bool:
    """Return whether a diff states the new file's digest, and the old file has the stated one."""
    before, after = file.diff.blobs
    if file.after is None or not before:
        return False
    if file.before is None:
        return not before.strip("0")
    return digest_of(file.old.data()).startswith(before) and bool(after)


def is_base(file: OpenFile) -> bool:
    """Return whether the old file is, by its digest, the one that a diff was made from."""
    before, after = file.diff.blobs
    if file.before is None or not before or before == after:
        return False
    return digest_of(file.old.data()).startswith(before)


def is_result(file: OpenFile) -> bool:
    """Return whether the old file is, by its digest, what a diff states for the new one."""
    before, after = file.diff.blobs
    if file.before is None or file.after is None or not after or before == after:
        return False
    whole = digest_of(file.old.data())
    return whole.startswith(after) and not whole.startswith(before)


def confirmed(
    file: OpenFile,
    added: Sequence[str],
    ends: Sequence[str],
    doubtful: Sequence[Collection[int]],
    effort: Effort,
) -> list[str] | None:
    """Return the added lines that give the new file its stated digest; None if none do.

    They are `added`, each with its end, or these with more blanks in strings: in the lines of the
    first set in `doubtful` for which that is possible. A search that takes too long returns None.
    Raises TooMuchError.
    """
    for chosen in ((), *doubtful):
        holed = [
            _STRING.sub(_holes, text) if number in chosen else text
            for number, text in enumerate(added)
        ]
        whole = [text + end for text, end in zip(holed, ends, strict=True)]
        data = rebuild(file, iter(whole), effort).new.data()
        widths = _fitting(data.split(_HOLE.encode()), file.diff.blobs[1], effort)
        if widths is not None:
            return list(_filled(holed, widths))
    return None


def _filled(holed: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """Yield lines with each hole replaced by a number of blanks."""
    left = iter(widths)
    for text in holed:
        first, *rest = text.split(_HOLE)
        yield first + "".join(" " * next(left) + piece for piece in rest)


def _holes(string: re.Match[str]) -> str:
    return re.sub(" +", _HOLE, string[0])


def digest_of(data: bytes) -> str:
    """Return git's name for the content of a file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _fitting(pieces: Sequence[bytes], wanted: str, effort: Effort) -> list[int] | None:
    """Return the numbers of blanks between the pieces of a file that give it a digest."""
    size = sum(map(len, pieces)) + len(pieces) - 1
    left = min(_TRIES, effort.left // _SHARE)
    step = 1 + size // _BYTES + len(pieces) // _PIECES
    for more in range(_MOST if len(pieces) > 1 else 1):
        begin = hashlib.sha1(b"blob %d\0" % (size + more), usedforsecurity=False)
        begin.update(pieces[0])
        for widths in _spread(more, len(pieces) - 1):
            left -= step
            if left < 0:
                return None
            effort.spend(step)
            state = begin.copy()
            rest = zip(widths, pieces[1:], strict=True)
            state.update(b"".join(b" " * width + piece for width, piece in rest))
            if state.hexdigest().startswith(wanted):
                return widths
    return None


def _spread(more: int, places: int) -> Iterator[list[int]]:
    """Yield the ways to put a blank in each of some places, plus `more` blanks in total."""
    if not places:
        yield []
        return
    for bars in itertools.combinations(range(more + places - 1), places - 1):
        edges = (-1, *bars, more + places - 1)
        yield [right - left for left, right in itertools.pairwise(edges)]
