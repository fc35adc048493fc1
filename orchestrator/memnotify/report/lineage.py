"""Prints `memnotify series list`, and returns its rows for programs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from memnotify.series.lineage import Member
from memnotify.text import printable

_WIDTH = 80
_LEAST = 16  # minimum width of the last column
_TITLES = ("revision", "posted", "against", "patches for")
_UNKNOWN = "-"


def lineage_rows(members: Sequence[Member]) -> list[dict[str, Any]]:
    """Return one object per revision, in the order of the tree."""
    return [
        {
            "revision": member.revision,
            "bases": list(member.bases),
            "promises": member.promises,
            "wrong": list(member.wrong),
            "date": None if member.lineage is None else member.lineage.date.isoformat(),
            "mails": {} if member.lineage is None else dict(member.lineage.mails),
        }
        | {
            key: None if member.lineage is None else getattr(member.lineage, key)
            for key in ("author", "subject", "follows", "posted_against", "changed")
        }
        | (
            {"elsewhere": {base: str(folder) for base, folder in member.elsewhere.items()}}
            if member.elsewhere
            else {}
        )
        for member in members
    ]


def lineage_lines(members: Sequence[Member]) -> Iterator[str]:
    """Yield one line per revision, as a tree, followed by lines that say who changed what."""
    rows = [_columns(member) for member in members]
    widths = [max(len(row[place]) for row in (_TITLES, *rows)) for place in range(3)]
    yield from _row(_TITLES, widths, "")
    for place, (member, row) in enumerate(zip(members, rows, strict=True)):
        following = members[place + 1 : place + 2]
        followed = any(len(other.branch) > len(member.branch) for other in following)
        stem = _guides(member.branch[1:]) + ("│ " if followed else "  ")
        yield from _row(row, widths, stem)
        if member.lineage is not None:
            told = printable(f"{member.lineage.author}: {member.lineage.changed}")
            yield from textwrap.wrap(told, _WIDTH, initial_indent=stem, subsequent_indent=stem)
    for member in members:
        for base, folder in member.elsewhere.items():
            yield printable(f"{member.revision} for {base} is in {folder}")


def _row(words: Sequence[str], widths: Sequence[int], stem: str) -> Iterator[str]:
    """Yield the columns, with the last one wrapped below."""
    head = "".join(f"{word:<{width}}  " for word, width in zip(words, widths, strict=False))
    room = max(_WIDTH - len(head), _LEAST)
    first, *more = textwrap.wrap(words[-1], room, break_on_hyphens=False) or [""]
    yield f"{head}{first}".rstrip()
    yield from (f"{stem:<{len(head)}}{line}" for line in more)


def _columns(member: Member) -> tuple[str, str, str, str]:
    lineage, *_, last = member.lineage, *member.branch
    turn = "" if len(member.branch) == 1 else "└ " if last else "├ "
    return (
        _guides(member.branch[1:-1]) + turn + printable(member.revision),
        _UNKNOWN if lineage is None else lineage.date.isoformat(),
        printable((lineage and lineage.posted_against) or _UNKNOWN),
        printable(" ".join(member.bases)),
    )


def _guides(branch: Sequence[bool]) -> str:
    return "".join("  " if last else "│ " for last in branch)
