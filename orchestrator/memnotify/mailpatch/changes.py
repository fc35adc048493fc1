"""Build the changes of a file from the readings of its hunks, and write them as a diff."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from memnotify.errors import InputError
from memnotify.mailpatch.budget import Effort
from memnotify.mailpatch.line_index import index_of
from memnotify.mailpatch.raw import RawDiff, RawHunk
from memnotify.mailpatch.reading import LineKind, Part, Reading
from memnotify.mailpatch.reindent import CodeSpan, Row
from memnotify.mailpatch.tokens import key
from memnotify.mailpatch.whitespace import Witness

_NO_END = "\\ No newline at end of file"
CR = "\r"
MODES = ("100644", "100755")
_NO_BLOB, _EMPTY_BLOB = "0000000", "e69de29"
CONTEXT = 3
_LINES_LOOKED_AT = 50  # in the time of a step
_FUNCTION = 400  # lines; a function's ends are not searched further away


@dataclass(frozen=True, slots=True)
class Lines:
    """A file as lines; `ends`: the last one has a line end."""

    lines: tuple[str, ...] = ()
    ends: bool = True

    @staticmethod
    def of(data: bytes) -> Lines:
        """Return the lines of a file; bytes that are not UTF-8 are preserved."""
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


@dataclass(frozen=True, slots=True)
class LineEnd:
    """The end of an added line, a CR or nothing; `put_back`: it is not from the mail."""

    text: str
    put_back: bool = False
    sure: bool = True


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
            if part.kind is LineKind.ADDED
        ]

    def has_foreign_ends(self) -> bool:
        """Return whether a line that has no CR in the tree has one in the mail."""
        old = self._ended()
        return any(
            part.mail[-1].text.endswith(CR) and not old[part.tree].endswith(CR)
            for _, reading in self.readings
            for part in reading.parts
            if part.mail and part.tree is not None and part.tree < len(old)
        )

    def line_ends(self, *, foreign: bool) -> list[LineEnd]:
        """Return the line end of each added line of all hunks.

        It is that in the mail, if the mail has any CR, or else that of the old line before it
        (after it, at the beginning of a hunk). If the mail's line ends are `foreign`, they are
        ignored.
        """
        old = self._ended()
        with_cr = sum(line.endswith(CR) for line in old)
        alike = bool(old) and with_cr in (0, len(old))
        told = any(line.text.endswith(CR) for h in self.diff.hunks for line in h.body)
        told = not foreign and (told or not with_cr)
        found = []
        for _, reading in self.readings:
            trees = (part.tree for part in reading.parts if part.tree is not None)
            # Without an old line that has an end, the line above the hunk shows it.
            near = next((at for at in trees if at < len(old)), min(reading.start, len(old)) - 1)
            end = CR if old and old[near].endswith(CR) else ""
            removed: set[str] = set()
            for part in reading.parts:
                has_cr = part.kind is LineKind.ADDED and part.mail[-1].text.endswith(CR)
                if part.kind is LineKind.ADDED and told:
                    sure = not has_cr or with_cr > 0
                    found.append(LineEnd(CR if has_cr else "", sure=sure))
                elif part.kind is LineKind.ADDED:
                    # The same line again: the loss of its CR may be the whole change.
                    same = part.text in removed
                    put_back = has_cr or with_cr > 0
                    sure = alike and not same
                    found.append(LineEnd("" if same else end, put_back=put_back, sure=sure))
                elif part.tree is not None:
                    removed = removed if part.kind is LineKind.REMOVED else set()
                    if part.tree < len(old):
                        removed |= {part.text} if part.kind is LineKind.REMOVED else set()
                        end = CR if old[part.tree].endswith(CR) else ""
        return found

    def _ended(self) -> Sequence[str]:
        return self.old.lines if self.old.ends else self.old.lines[:-1]

    def witnesses(self) -> list[Witness]:
        """Return the lines that the tree has, and that the mail has in one piece."""
        return [
            Witness(
                self.old.lines[part.tree].removesuffix(CR),
                part.mail[0].text.removesuffix(CR),
                part.kind is LineKind.REMOVED,
            )
            for _, reading in self.readings
            for part in reading.parts
            if part.tree is not None and len(part.mail) == 1
        ]


def pieces_of(file: OpenFile, added: Iterator[str]) -> list[CodeSpan]:
    """Return a file's hunks within whole functions, which show how lines are indented.

    `added` yields the text of the added lines, in order.
    """
    old = [line.removesuffix(CR) for line in file.old.lines]
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
            elif part.kind is LineKind.ADDED:
                runs[-1].append(Row(LineKind.ADDED, next(added)))
    if runs:
        runs[-1] += _context(old, done, _function_end(old, done))
    return [CodeSpan(name=file.name, rows=tuple(run)) for run in runs]


def _context(lines: Sequence[str], begin: int, end: int) -> list[Row]:
    return [Row(LineKind.CONTEXT, text) for text in lines[begin:end]]


def _function_begin(lines: Sequence[str], at: int) -> int:
    """Return the line after the closest end of a function, or the like, above a line."""
    for index in range(at - 1, max(-1, at - _FUNCTION), -1):
        if lines[index].startswith("}"):
            return index + 1
    return max(0, at - _FUNCTION)


def _function_end(lines: Sequence[str], at: int) -> int:
    for index in range(at, min(len(lines), at + _FUNCTION)):
        if lines[index].startswith("}"):
            return index + 1
    return min(len(lines), at + _FUNCTION)


@dataclass
class _Block:
    """Changes with no context between them: they replace old lines `begin` to `end`."""

    begin: int
    end: int
    section: str
    rows: list[Row] = field(default_factory=list)
    unended: set[int] = field(default_factory=set)


def _blocks(file: OpenFile, added: Iterator[str], effort: Effort) -> list[_Block]:
    blocks: list[_Block] = []
    for raw, reading in file.readings:
        section = _section(raw.section, file.old.lines, reading.start, effort)
        at = reading.start
        block: _Block | None = None
        for part in reading.parts:
            if part.ends_file and block and block.rows[-1].kind is LineKind.ADDED:
                block.unended.add(len(block.rows) - 1)
            elif part.kind is LineKind.CONTEXT:
                block = None
                at += 1
            elif part.kind in (LineKind.ADDED, LineKind.REMOVED):
                if block is None:
                    block = _Block(at, at, section)
                    blocks.append(block)
                if part.tree is not None:
                    block.rows.append(Row(part.kind, file.old.lines[part.tree]))
                    at += 1
                    block.end = at
                else:
                    block.rows.append(Row(part.kind, next(added)))
    if blocks:
        _end_last_line(blocks[-1], file.old)
    return blocks


def _end_last_line(block: _Block, old: Lines) -> None:
    """Let a block that continues after a last line without a line end replace it by one with it."""
    if old.ends or block.begin < len(old.lines):
        return
    last = old.lines[-1]
    end = CR if old.lines[-2:-1] and old.lines[-2].endswith(CR) else ""
    block.begin -= 1
    block.rows = [Row(LineKind.REMOVED, last), Row(LineKind.ADDED, last + end), *block.rows]
    block.unended = {at + 2 for at in block.unended}


@dataclass
class _Span:
    """A hunk while blocks are added to it; the fields are those of `Hunk`."""

    start: int
    section: str
    rows: list[Row]
    unended: set[int] = field(default_factory=set)


def rebuild(file: OpenFile, added: Iterator[str], effort: Effort) -> Change:
    """Return the change by a file's hunks; `added` yields the restored added lines, in order.

    Hunks have three lines of context at either end, as GNU patch requires: with fewer at one end,
    it looks for the hunk only at that end of the file. Raises TooMuchError.
    """
    old = file.old.lines
    blocks = _blocks(file, added, effort)
    new: list[str] = []
    spans: list[_Span] = []
    done = 0
    for number, block in enumerate(blocks):
        new += [*old[done : block.begin], *(r.text for r in block.rows if r.kind is LineKind.ADDED)]
        joined = number > 0 and block.begin - done <= 2 * CONTEXT
        if not joined:
            begin = max(0, block.begin - CONTEXT)
            spans.append(_Span(begin, block.section, _context(old, begin, block.begin)))
        else:
            spans[-1].rows += _context(old, done, block.begin)
        span = spans[-1]
        span.unended |= {at + len(span.rows) for at in block.unended}
        span.rows += block.rows
        done = block.end
        following = blocks[number + 1].begin if number + 1 < len(blocks) else len(old)
        if following - done > 2 * CONTEXT or number + 1 == len(blocks):
            span.rows += _context(old, done, done + CONTEXT)
    ends = file.old.ends
    if blocks and done == len(old):
        last = blocks[-1]
        final = max(
            (n for n, row in enumerate(last.rows) if row.kind is LineKind.ADDED), default=-1
        )
        ends = final not in last.unended
    return Change(
        before=file.before,
        after=file.after,
        extended=file.diff.extended,
        hunks=tuple(
            Hunk(span.start, span.section, tuple(span.rows), frozenset(span.unended))
            for span in spans
        ),
        old=file.old,
        new=Lines((*new, *old[done:]), ends),
    )


def _section(section: str, old: Sequence[str], start: int, effort: Effort) -> str:
    """Return the text after the second @@ as in the tree: in the mail it is cut off somewhere."""
    wanted = key(section)
    if not wanted:
        return ""
    keys = index_of(tuple(old)).keys
    for index in range(start - 1, -1, -1):
        if keys[index].startswith(wanted):
            line = old[index]
            cut = next(n for n in range(len(line) + 1) if len(key(line[:n])) >= len(wanted))
            break
    else:
        index, line, cut = 0, " ".join(section.split()), None
    effort.spend((start - index) // _LINES_LOOKED_AT)
    return line[:cut]


def _extended(change: Change, before: str | None, after: str | None) -> list[str]:
    """Return the lines of git's header that have more than the names.

    No line is passed on unchecked: the names in them are replaced by ours, which have been checked,
    and a mode must be that of a plain file.
    """
    lines = []
    for line in change.extended:
        word, _, rest = line.partition(" from ")
        if rest:
            line = f"{word} from {before}"
        word, _, rest = line.partition(" to ")
        if rest:
            line = f"{word} to {after}"
        mode = re.search(r" mode (\S+)", line)
        if mode and mode[1] not in MODES:
            raise InputError(
                f"{after} would get mode {mode[1]}",
                hint=f"a patch for a kernel has plain files only: {' or '.join(MODES)}",
            )
        lines.append(line)
    return lines


def diff_text(change: Change) -> str:
    """Return a change as a git diff. Raises InputError for anything but a plain file."""
    before, after = change.before or change.after, change.after or change.before
    lines = [f"diff --git a/{before} b/{after}"]
    lines += _extended(change, before, after)
    if change.before is None and not any(line.startswith("new file") for line in lines):
        lines.append("new file mode 100644")
    if change.after is None and not any(line.startswith("deleted") for line in lines):
        lines.append("deleted file mode 100644")
    if change.hunks:
        lines.append("--- /dev/null" if change.before is None else f"--- a/{before}")
        lines.append("+++ /dev/null" if change.after is None else f"+++ b/{after}")
    elif None in (change.before, change.after) and not any("index " in line for line in lines):
        # This tells GNU patch that no hunks follow.
        blobs = (_NO_BLOB, _EMPTY_BLOB) if change.before is None else (_EMPTY_BLOB, _NO_BLOB)
        lines.append("index {}..{}".format(*blobs))
    shift = 0
    for hunk in change.hunks:
        olds = sum(row.kind is not LineKind.ADDED for row in hunk.rows)
        news = sum(row.kind is not LineKind.REMOVED for row in hunk.rows)
        section = f" {hunk.section}" if hunk.section else ""
        lines.append(
            f"@@ -{_range(hunk.start, olds)} +{_range(hunk.start + shift, news)} @@{section}"
        )
        at = hunk.start
        for number, row in enumerate(hunk.rows):
            lines.append(f"{row.kind}{row.text}")
            at += row.kind is not LineKind.ADDED
            last = at == len(change.old.lines) and row.kind is not LineKind.ADDED
            if (last and not change.old.ends) or number in hunk.unended:
                lines.append(_NO_END)
        shift += news - olds
    return "\n".join(lines) + "\n"


def _range(start: int, count: int) -> str:
    begin = start + (count > 0)
    return str(begin) if count == 1 else f"{begin},{count}"
