"""Find lines that must be part of a diff, although none could be read there."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence

from memnotify.mailpatch.git_header import EMPTY, GIT, lacks_hunks, names_in
from memnotify.mailpatch.headers import path_of
from memnotify.mailpatch.raw import Broken, RawDiff
from memnotify.mailpatch.syntax import ANYWHERE, GIT_LINE, HEADERS, HUNK, NEW, OLD, TRACE, git_line

_SHOWN = 100  # columns of a name, in messages
_STARS = re.compile(r"\*{15}(?: .*)?")  # diff -cp names the function
_OLD_LINES = re.compile(r"\*\*\* \d+(?:,\d+)? \*{4}")
_QUOTING = " \t>|"
_COMBINED = re.compile(r"diff --(?:cc|combined) \S+$|@@@+ -\d")
_NORMAL = re.compile(r"\d+(?:,\d+)?[acd]\d+(?:,\d+)?")
_UNIFIED = "make it with diff -u, or convert it with filterdiff --format=unified (patchutils)"
_PARENTS = "no program can apply it; git show -m shows what the merge changes of each parent"


def broken_headers(lines: Sequence[str], whole: Collection[int]) -> Iterator[Broken]:
    """Yield the headers that lack a part; those at the indices `whole` need no hunk."""
    for at, line in enumerate(lines):
        if not line.startswith("--- ") or not HEADERS.match(line):
            continue
        ahead = lines[at + 1 : at + 3]
        hunk = next((n for n, other in enumerate(ahead) if HUNK.match(other)), None)
        if hunk is not None and not any(NEW.match(other) for other in ahead[:hunk]):
            yield Broken(line=at + 1, message="a --- line without its +++ line")
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    begin = end
    while begin and HEADERS.match(lines[begin - 1]):
        begin -= 1
    if begin - 2 in whole:
        begin -= 2  # its `diff --git` line was wrapped
    run = lines[begin:end]
    # If the header of a hunk is there, it is that hunk which was truncated.
    if not run or HUNK.match(run[-1]) or all(line.startswith(("=", "@@")) for line in run):
        return
    git = next((at for at in range(begin, end) if at in whole), None)
    blobs = [line for line in run if line.startswith("index ")]
    if git is None or any(EMPTY not in line for line in blobs) or OLD.match(run[-1]):
        name = next((line for line in run if not line.startswith("=")), run[0])
        message = f"the mail ends in the header of {_named(name)}"
        yield Broken(line=begin + 1, message=message)


def unread_lines(
    lines: Sequence[str], bare: Sequence[str], unread: Sequence[int], diffs: Sequence[RawDiff]
) -> Iterator[Broken]:
    """Yield lines that look like a diff but are in none; `unread`: indices of lines in no diff."""
    starts = [diff.line for diff in diffs]
    for at in unread:
        (git, _), trace = git_line(bare, at), TRACE.match(bare[at])
        what = None
        if not diffs:
            what = "a diff that cannot be read" if ANYWHERE.search(lines[at]) else None
        elif git and not git["margin"]:
            # There may be an odd line between this one and the rest of the header.
            below = bisect_right(starts, at)
            names = set(names_in(git["git"]) or ())
            if not any(names & {d.before, d.after} for d in diffs[below : below + 1]):
                what = "a diff of which the --- line, the +++ line or the first @@ line is lost"
        elif trace:
            what = "a hunk of no file" if trace[0][0] == "@" else "a +++ line without its --- line"
        if what:
            quoted = lines[at].lstrip()[:1] in tuple(">|:}")
            yield Broken(line=at + 1, message=what, prose=quoted or not diffs)
    for diff in diffs:
        if not diff.hunks and lacks_hunks(diff.extended, diff.blobs):
            yield Broken(line=diff.line, message=f"the hunks of {_short(diff.after)} are lost")
    for hunk in (hunk for diff in diffs for hunk in diff.hunks if not hunk.last):
        # Without a separating line, the header of the next file looks like the end of the hunk.
        end = next((line for line in reversed(hunk.body) if line.text.strip()), None)
        if end and TRACE.match(end.text):
            yield Broken(line=end.number, message="a +++ line without its --- line")


def other_formats(lines: Sequence[str], *, alone: bool) -> Iterator[Broken]:
    """Yield diffs that are not unified; `alone`: no unified diff is in the mail."""
    for at, line in enumerate(lines):
        below = lines[at + 1] if at + 1 < len(lines) else ""
        bare, next_bare = (
            (text.lstrip(_QUOTING) if alone else text).rstrip() for text in (line, below)
        )
        if _STARS.fullmatch(bare) and _OLD_LINES.fullmatch(next_bare):
            yield Broken(
                line=at + 1,
                message="a context diff, as diff -c makes it",
                prose=not line.startswith("*"),
                hint=_UNIFIED,
            )
        elif _COMBINED.match(line):
            yield Broken(line=at + 1, message="a combined diff of a merge", hint=_PARENTS)
        elif alone and _NORMAL.fullmatch(line.rstrip()) and below.startswith(("< ", "> ")):
            yield Broken(
                line=at + 1,
                message="a diff without context",
                prose=True,
                hint="make it with diff -u",
            )
        else:
            continue
        return


def _short(name: str) -> str:
    return name[:_SHOWN]


def _named(line: str) -> str:
    """Return the file that a line of a header names."""
    git = GIT_LINE.match(line)
    names = names_in(git["git"]) if git else None
    rest = line.removeprefix(GIT) if line.startswith(GIT) else line.partition(" ")[2]
    return (names[1] if names else path_of(rest))[:_SHOWN]
