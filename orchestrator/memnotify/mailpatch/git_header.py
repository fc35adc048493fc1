"""The header lines of git's diffs: the names of a file, whatever their prefixes, and its modes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from memnotify.mailpatch.headers import path_of

GIT = "diff --git "
EXTENDED = re.compile(
    r"(?:old mode|new mode|deleted file mode|new file mode|copy from|copy to|rename from"
    r"|rename to|rename old|rename new|similarity index|dissimilarity index) .*"
    r"|index [0-9a-f]+\.\.[0-9a-f]+(?:\s+[0-7]{6})?\s*"
)
_OLD_WORDS = {"rename old ": "rename from ", "rename new ": "rename to "}  # of 2005
EMPTY = "e69de29"  # git's digest of an empty file: with it, an `index` line needs no hunk
_MORE = ("rename", "old mode", "copy", "new file", "deleted file")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


def names_in(line: str, extended: Sequence[str] = ()) -> tuple[str, str] | None:
    """Return the two names in a `diff --git` line; None if it cannot be told where one ends.

    The prefixes are a/ and b/, others (diff.mnemonicPrefix, --src-prefix), or none.
    """
    rest = line.strip().removeprefix(GIT)
    pairs = [(path_of(old), path_of(new)) for old, new in _splits(rest)]
    if len(pairs) == 1:
        return pairs[0]
    moved = moved_names(extended)
    tests: tuple[Callable[[str, str], bool], ...] = (
        lambda old, new: moved is not None and old.endswith(moved[0]) and new.endswith(moved[1]),
        lambda old, new: old.startswith("a/") and new.startswith("b/") and old[2:] == new[2:],
        lambda old, new: old == new,
        lambda old, new: "/" in old and old.partition("/")[2] == new.partition("/")[2],
        lambda old, new: old.startswith("a/") and new.startswith("b/"),
    )
    for fits in tests:
        found = [pair for pair in pairs if fits(*pair)]
        if found:
            return found[0]
    return None


def _splits(rest: str) -> Iterator[tuple[str, str]]:
    quoted = _QUOTED.match(rest)
    if quoted:
        yield quoted[0], rest[quoted.end() :].strip()
        return
    if rest.endswith('"') and ' "' in rest:
        old, _, new = rest.partition(' "')
        yield old, '"' + new
        return
    for blank in re.finditer(" ", rest):
        if rest[: blank.start()].strip() and rest[blank.end() :].strip():
            yield rest[: blank.start()], rest[blank.end() :]


def moved_names(extended: Sequence[str]) -> tuple[str, str] | None:
    """Return the names in the lines of a rename or a copy, which never have a prefix."""
    found = [
        next((path_of(m[1]) for line in extended if (m := re.match(pattern, line))), None)
        for pattern in (r"(?:rename|copy) from (.+)", r"(?:rename|copy) to (.+)")
    ]
    return None if found[0] is None or found[1] is None else (found[0], found[1])


def spelled(line: str) -> str:
    """Return a line of a header as git writes it now."""
    for old, new in _OLD_WORDS.items():
        if line.startswith(old):
            return new + line.removeprefix(old)
    return line


def related(name: str, other: str) -> bool:
    """Return whether two names may be of one file, whatever their prefixes."""
    one, two = name.split("/"), other.split("/")
    same = 0
    while same < min(len(one), len(two)) and one[-1 - same] == two[-1 - same]:
        same += 1
    return same > 0 and same >= min(len(one), len(two)) - 1


def lacks_hunks(extended: Sequence[str], blobs: tuple[str, str]) -> bool:
    """Return whether a header without hunks describes lines that change."""
    if any(line.startswith("deleted file") for line in extended):
        return False  # git format-patch -D writes no hunk; the tree decides
    similar = next((line for line in extended if line.startswith("similarity index")), "")
    if similar and similar != "similarity index 100%":
        return True
    new = blobs[1]
    return bool(new) and new != blobs[0] and not EMPTY.startswith(new[: len(EMPTY)])


def says_all(extended: Sequence[str]) -> bool:
    """Return whether a header says, without hunks, what becomes of a file's name or mode."""
    return any(line.startswith(_MORE) for line in extended)
