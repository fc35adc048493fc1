"""What `memnotify explain` knows: tables of docs/reference/faults.md and invariants.md there."""

from __future__ import annotations

import posixpath
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from memnotify.errors import InputError
from memnotify.files import read_text
from memnotify.places import DOCS, data_files
from memnotify.text import unknown_name

_SECTIONS = {
    "finding": ("reference/faults.md", "### Findings"),
    "infrastructure": ("reference/faults.md", "### Infrastructure failures"),
    "invariant": ("reference/invariants.md", "## The invariants"),
}
_WIDTH = 80
_CODE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<target>[^)\s]+)\)")
_COLUMN = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A kind of finding or of failure, or an invariant: rows of the document `source`.

    Each row has a text for each head of the table; an invariant may have several.
    """

    name: str
    what: str
    rows: tuple[Mapping[str, str], ...]
    source: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def explained(wanted: str, *, root: Path = DOCS) -> Explained:
    """Return the explanation of `panic`, `finding:panic` or an invariant.

    Raises InputError if there is none, with the names that there are.
    """
    known = {one.name: one for one in every(root)}
    what, colon, kind = wanted.rpartition(":")
    found = known.get(kind)
    if found is None or (colon and found.what != what):
        names = [*known, *(f"{one.what}:{one.name}" for one in known.values())]
        hint = unknown_name(wanted, names if colon else known)
        raise InputError(f"there is no finding, failure or invariant {wanted!r}", hint=hint)
    return found


def every(root: Path = DOCS) -> Iterator[Explained]:
    """Yield all explanations, in the order of the documents."""
    for what, (name, head) in _SECTIONS.items():
        (file,) = data_files(root, name)
        rows: dict[str, list[Mapping[str, str]]] = {}
        for kind, row in _table(read_text(file), head, f"docs/{name}"):
            rows.setdefault(kind, []).append(row)
        for kind, some in rows.items():
            yield Explained(name=kind, what=what, rows=tuple(some), source=f"docs/{name}")


def _table(text: str, head: str, page: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield the rows of the first table below a heading, each with the name in its first cell.

    A row without one goes on with that of the row before.
    """
    _, _, below = text.partition(f"\n{head}\n")
    lines = iter(below.split("\n"))
    table = []
    for line in lines:
        if line.startswith("|"):
            table.append([_plain(cell, page) for cell in _COLUMN.split(line.strip().strip("|"))])
        elif table or line.startswith("#"):
            break
    name = ""
    heads = table[0] if table else []
    for first, *texts in table[2:]:
        name = first or name
        yield name, dict(zip(heads[1:], texts, strict=True))


def _plain(cell: str, page: str) -> str:
    """Return a cell without markup; a link is the name of the page to which it leads."""

    def page_of(link: re.Match[str]) -> str:
        target = link["target"].partition("#")[0]
        if ":" in target:
            return f"{link['text']} ({target})"
        there = posixpath.normpath(posixpath.join(posixpath.dirname(page), target))
        return f"{link['text']} ({there if target else page})"

    return _CODE.sub(r"\1", _LINK.sub(page_of, cell.strip())).replace(r"\|", "|")


def explain_lines(one: Explained) -> Iterator[str]:
    """Yield the explanation as text of 80 columns."""
    yield f"{one.what}: {one.name}"
    for row in one.rows:
        for head, text in row.items():
            yield ""
            yield f"{head}:"
            yield from textwrap.wrap(
                text, _WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
            )
    yield ""
    yield f"more in {one.source}"
