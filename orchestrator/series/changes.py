"""The changes of a file, made of the readings of its hunks, and written as a diff."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from orchestrator.series.align import Kind, Part, Reading
from orchestrator.series.damage import Witness
from orchestrator.series.diffs import RawDiff, RawHunk
from orchestrator.series.layout import Piece, Row
from orchestrator.series.tokens import key

_NO_END = "\\ No newline at end of file"
_FUNCTION = 400  # lines; further away nothing is looked for


@dataclass(frozen=True, slots=True)
class Lines:
    """A file as lines; `ends` tells that the last one has a line end."""

    lines: tuple[str, ...] = ()
    ends: bool = True

    @staticmethod
    def of(data: bytes) -> Lines:
        """Bytes that are not UTF-8 are kept as they are."""
        if not data:
            return Lines()
        text = data.decode("utf-8", "surrogateescape")
        return Lines(tuple(text.removesuffix("\n").split("\n")), text.endswith("\n"))

    def data(self) -> bytes:
        """Return the bytes of the file."""
        text = "\n".join(self.lines) + ("\n" if self.ends and self.lines else "")
        return text.encode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class Hunk:
    """A restored hunk: index of its first old line (from 0), and marker and text of each line."""

    start: int
    section: str
    rows: tuple[Row, ...]
    unended: frozenset[int] = frozenset()  # added rows that have no line end


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a patch does to one file; a name is None for /dev/null."""

    before: str | None
    after: str | None
    extended: tuple[str, ...]
    hunks: tuple[Hunk, ...]
    old: Lines
    new: Lines


@dataclass
class OpenFile:
    """A file while its hunks are being read."""

    diff: RawDiff
    before: str | None
    after: str | None
    old: Lines
    readings: list[tuple[RawHunk, Reading]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.after or self.before or ""

    def added(self) -> list[Part]:
        """Return the added lines of all hunks."""
        return [
            part
            for _, reading in self.readings
            for part in reading.parts
            if part.kind is Kind.ADDED
        ]

    def witnesses(self) -> list[Witness]:
        """Return the lines that both the tree and, in one piece, the mail have."""
        return [
            Witness(self.old.lines[part.tree], part.mail[0].text, part.kind is Kind.REMOVED)
            for _, reading in self.readings
            for part in reading.parts
            if part.tree is not None and len(part.mail) == 1
        ]


def pieces_of(file: OpenFile, added: Iterator[str]) -> list[Piece]:
    """Return a file's hunks within whole functions, where it can be seen how lines are indented.

    `added` gives the text of the added lines, in order.
    """
    old = file.old.lines
    runs: list[list[Row]] = []
    done = 0
    for _, reading in file.readings:
        begin = _function_begin(old, reading.start)
        end = _function_end(old, done)
        if not runs or begin > end:
            if runs:
                runs[-1] += _context(old, done, end)
            runs.append([])
            done = begin
        runs[-1] += _context(old, done, reading.start)
        done = reading.start
        for part in reading.parts:
            if part.tree is not None:
                runs[-1].append(Row(part.kind, old[part.tree]))
                done = part.tree + 1
            elif part.kind is Kind.ADDED:
                runs[-1].append(Row(Kind.ADDED, next(added)))
    if runs:
        runs[-1] += _context(old, done, _function_end(old, done))
    return [Piece(name=file.name, rows=tuple(run)) for run in runs]


def _context(lines: Sequence[str], begin: int, end: int) -> list[Row]:
    return [Row(Kind.CONTEXT, text) for text in lines[begin:end]]


def _function_begin(lines: Sequence[str], at: int) -> int:
    """Return the line after the last one before a line that ends a function, or the like."""
    for index in range(at - 1, max(-1, at - _FUNCTION), -1):
        if lines[index].startswith("}"):
            return index + 1
    return max(0, at - _FUNCTION)


def _function_end(lines: Sequence[str], at: int) -> int:
    for index in range(at, min(len(lines), at + _FUNCTION)):
        if lines[index].startswith("}"):
            return index + 1
    return min(len(lines), at + _FUNCTION)


def rebuild(file: OpenFile, added: Iterator[str]) -> Change:
    """Return what a file's hunks make of it; `added` gives the restored added lines, in order."""
    old = file.old.lines
    new: list[str] = []
    ends = file.old.ends
    hunks = []
    done = 0
    for number, (raw, reading) in enumerate(file.readings):
        new += old[done : reading.start]
        done = reading.start
        rows: list[Row] = []
        unended = set()
        for part in reading.parts:
            if part.tree is not None:
                rows.append(Row(part.kind, old[part.tree]))
                done = part.tree + 1
                if part.kind is Kind.CONTEXT:
                    new.append(old[part.tree])
            elif part.kind is Kind.ADDED:
                rows.append(Row(Kind.ADDED, next(added)))
                new.append(rows[-1].text)
            elif rows and rows[-1].kind is Kind.ADDED and part.ends_file:
                unended.add(len(rows) - 1)
        after = file.readings[number + 1][1].start if number + 1 < len(file.readings) else len(old)
        padded = _padded(reading, old, done, after)
        rows += padded
        new += [row.text for row in padded]
        done += len(padded)
        hunks.append(
            Hunk(
                reading.start,
                _section(raw.section, old, reading.start),
                tuple(rows),
                frozenset(unended),
            )
        )
    if done < len(old):
        new += old[done:]
    elif hunks:
        last = hunks[-1]
        kept = [at for at, row in enumerate(last.rows) if row.kind is not Kind.REMOVED]
        if kept and last.rows[kept[-1]].kind is Kind.ADDED:
            ends = kept[-1] not in last.unended
    return Change(
        before=file.before,
        after=file.after,
        extended=file.diff.extended,
        hunks=tuple(hunks),
        old=file.old,
        new=Lines(tuple(new), ends),
    )


def _padded(reading: Reading, old: Sequence[str], done: int, end: int) -> list[Row]:
    """Return context of the tree's for what fuzz has left out at a hunk's end."""
    parts = [part for part in reading.parts if part.kind is not Kind.SKIPPED]
    missing = 0
    for part in reversed(parts):
        if part.kind in (Kind.ADDED, Kind.REMOVED):
            break
        missing += part.kind is Kind.FOREIGN
    return _context(old, done, min(done + missing, end))


def _section(section: str, old: Sequence[str], start: int) -> str:
    """Return what follows the second @@ as the tree has it: the mail's is cut off somewhere."""
    wanted = key(section)
    if not wanted:
        return ""
    for index in range(start - 1, -1, -1):
        if key(old[index]).startswith(wanted):
            line = old[index]
            cut = next(n for n in range(len(line) + 1) if len(key(line[:n])) >= len(wanted))
            return line[:cut]
    return " ".join(section.split())


def diff_text(change: Change) -> str:
    """Return a change in the form of git's diffs."""
    before, after = change.before or change.after, change.after or change.before
    lines = [f"diff --git a/{before} b/{after}"]
    lines += change.extended
    if change.before is None and not any(line.startswith("new file") for line in lines):
        lines.append("new file mode 100644")
    if change.after is None and not any(line.startswith("deleted") for line in lines):
        lines.append("deleted file mode 100644")
    if change.hunks:
        lines.append("--- /dev/null" if change.before is None else f"--- a/{before}")
        lines.append("+++ /dev/null" if change.after is None else f"+++ b/{after}")
    shift = 0
    for hunk in change.hunks:
        olds = sum(row.kind is not Kind.ADDED for row in hunk.rows)
        news = sum(row.kind is not Kind.REMOVED for row in hunk.rows)
        section = f" {hunk.section}" if hunk.section else ""
        lines.append(
            f"@@ -{_range(hunk.start, olds)} +{_range(hunk.start + shift, news)} @@{section}"
        )
        at = hunk.start
        for number, row in enumerate(hunk.rows):
            lines.append(f"{row.kind}{row.text}")
            at += row.kind is not Kind.ADDED
            last = at == len(change.old.lines) and row.kind is not Kind.ADDED
            if (last and not change.old.ends) or number in hunk.unended:
                lines.append(_NO_END)
        shift += news - olds
    return "\n".join(lines) + "\n"


def _range(start: int, count: int) -> str:
    begin = start + (count > 0)
    return str(begin) if count == 1 else f"{begin},{count}"
