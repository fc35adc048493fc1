"""Read the diffs in the text of a mail, without trusting any white space in it.

All that is decided here about the lines of a hunk is where they may end. Which of them are context,
and where the hunk really ends, can only be decided with the tree (`align`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from memnotify.errors import InputError
from memnotify.mailpatch.git_header import (
    EXTENDED,
    moved_names,
    names_in,
    related,
    says_all,
    spelled,
)
from memnotify.mailpatch.headers import is_dateless, path_of
from memnotify.mailpatch.raw import NULL, Line, RawDiff, RawHunk, Text
from memnotify.mailpatch.repeats import without_repeats
from memnotify.mailpatch.syntax import (
    BETWEEN,
    BINARY,
    BLOBS,
    GIT_LINE,
    HUNK,
    NEW,
    OLD,
    RULE,
    git_line,
)
from memnotify.mailpatch.unread import broken_headers, other_formats, unread_lines

_QUOTING = " \t>|"
_PREAMBLE = 6  # lines: git's and quilt's, wrapped
_MAX_NUMBER = 10_000_000
_SIGNS = ("+", "-", " ", "\\", "", "\r")


@dataclass
class _Reader:
    lines: Sequence[str]
    file: str
    first: int | None
    quoted: bool = False

    def error(self, index: int, message: str, hint: str | None = None) -> InputError:
        line = None if self.first is None else self.first + index
        return InputError(message, file=self.file, line=line, hint=hint)


def read_diffs(lines: Sequence[str], *, file: str, first: int | None) -> Text:
    """Find the diffs in the lines of a mail's text.

    `file` is named in errors, with lines counted from `first` (None: decoded text, without lines of
    the file). Raises InputError for a binary diff, a header that cannot be read, and absurd
    numbers.
    """
    reader = _Reader(lines, file, first)
    diffs: list[RawDiff] = []
    wrapped: list[int] = []
    unread: list[int] = []
    binary: list[int] = []
    index = 0
    while index < len(lines):
        if BINARY.match(lines[index].lstrip(_QUOTING)):
            binary.append(index)
        known = len(wrapped)
        at = _file_header(reader, index, wrapped)
        if at is None:
            del wrapped[known:]  # no header was put together
            unread.append(index)
            index += 1
            continue
        diff, index, _ = at
        diffs.append(diff)
    diffs, prose = _own(diffs)
    reader.quoted = any(diff.margin for diff in diffs)
    begin = diffs[0].line - 1 if diffs else None
    head = tuple(lines if begin is None else lines[:begin])
    if diffs and diffs[0].margin:
        # The message is quoted, or indented, as its diff is.
        head = tuple(_bare(line, diffs[0].margin) for line in head)
    for index in binary:
        flush = not reader.quoted and lines[index][:1] not in tuple(_QUOTING)
        if (flush and _is_of_git(lines, index)) or not diffs:
            raise reader.error(index, "a binary diff", "only text can be restored")
    for number, line in enumerate(head[-_PREAMBLE:], max(0, len(head) - _PREAMBLE)):
        if BETWEEN.match(line.lstrip(_QUOTING)):
            head = head[:number]
            break
    # A piece of a patch may be quoted in any way.
    bare = [line.lstrip(" \t>|:}") for line in lines] if reader.quoted else lines
    broken = list(other_formats(lines, alone=not diffs))
    if not broken:
        broken = list(broken_headers(bare, {diff.line - 1 for diff in diffs if not diff.hunks}))
    if not broken:
        broken = list(unread_lines(lines, bare, unread, diffs))
    once, repeated = without_repeats(diffs)
    return Text(
        head=head,
        diffs=tuple(once),
        quoted=reader.quoted,
        wrapped=tuple(wrapped),
        broken=tuple(broken),
        repeated=repeated,
        prose=prose,
        binary=tuple(n for n, line in enumerate(lines, 1) if BINARY.match(line)),
    )


def _own(diffs: Sequence[RawDiff]) -> tuple[list[RawDiff], tuple[RawDiff, ...]]:
    """Return the diffs of a mail, and those that its text only quotes or shows.

    Once one stands flush left, or less indented and less often quoted, the others are prose.
    """
    least = min((diff.depth for diff in diffs), default=(0, 0))
    # An archive may have indented the lines of one diff by a blank more than those of another.
    own = [diff for diff in diffs if diff.depth[0] == least[0] and diff.depth[1] <= least[1] + 1]
    return own, tuple(diff for diff in diffs if diff not in own)


def _is_of_git(lines: Sequence[str], index: int) -> bool:
    return any(GIT_LINE.match(line) for line in lines[max(0, index - _PREAMBLE) : index])


def _bare(line: str, margin: str) -> str:
    """Return a line without the quoting prefix or the added indentation."""
    for prefix in (margin, margin.rstrip()):
        if prefix and line.startswith(prefix):
            return line[len(prefix) :]
    return line


def _file_header(
    reader: _Reader, index: int, wrapped: list[int]
) -> tuple[RawDiff, int, int] | None:
    """Return the diff with a header at a line, the line after it, and the header's first line."""
    lines = reader.lines
    start = index
    git, skipped = git_line(lines, index)
    if skipped > 1:
        wrapped.append(index)
        index += 1
    extended: list[str] = []
    margin = ""
    if git:
        margin = git["margin"]
        index += 1
        while index < len(lines) and EXTENDED.fullmatch(_bare(lines[index], margin).strip()):
            extended.append(spelled(_bare(lines[index], margin).strip()))
            index += 1
    old = OLD.match(lines[index]) if index < len(lines) else None
    found = None
    if old:
        margin = old["margin"]
        # A long line with dates may have been wrapped once.
        for skip in (1, 2):
            if index + skip < len(lines):
                new = NEW.match(_bare(lines[index + skip], margin))
                if new:
                    found = index + skip, new
                    wrapped += [index] if skip == 2 else []
                    break
    if old and found and git:
        # A header without hunks may stand directly above the diff of another file.
        own = {path_of(old["path"]), path_of(found[1]["path"])} - {NULL}
        theirs = names_in(git["git"], extended)
        if theirs and not any(related(one, other) for one in own for other in theirs):
            found = None
    if old is None or found is None:
        moved = moved_names(extended)
        names = moved or (names_in(git["git"], extended) if git else None)
        if names and says_all(extended):
            diff = RawDiff(
                line=start + 1,
                before=names[0],
                after=names[1],
                extended=tuple(extended),
                hunks=(),
                quoted=bool(margin.strip()),
                margin=margin,
                exact=moved is not None,
                git=True,
                blobs=_blobs(extended),
            )
            return diff, index, start
        return None
    index, new = found
    hunks: list[RawHunk] = []
    index += 1
    if index < len(lines) and _hunk_header(lines, index, margin) is None:
        if index + 1 >= len(lines) or _hunk_header(lines, index + 1, margin) is None:
            return None
        wrapped.append(index - 1)
        index += 1
    while index < len(lines):
        header = _hunk_header(lines, index, margin)
        if header is None:
            break
        match, body_at = header
        if body_at - index > 1:
            wrapped.append(index)
        end = _counted_end(lines, match, body_at, margin)
        lacking = _counts(match)[0] if end == body_at else 0
        while end < len(lines) and not _ends_hunk(lines, end, margin, whole=lacking <= 0):
            lacking -= not _bare(lines[end], margin).startswith("+")
            end += 1
        last = end >= len(lines) or _hunk_header(lines, end, margin) is None
        hunks.append(_hunk(reader, index, match, body_at, end, margin, last))
        index = end
    if not hunks:
        return None
    names = moved_names(extended)
    diff = RawDiff(
        line=start + 1,
        before=names[0] if names else path_of(old["path"]),
        after=names[1] if names else path_of(new["path"]),
        extended=tuple(line for line in extended if not line.startswith("index ")),
        hunks=tuple(hunks),
        quoted=bool(margin.strip()),
        margin=margin,
        exact=names is not None,
        git=git is not None,
        dateless=is_dateless(new["path"]),
        blobs=_blobs(extended),
    )
    return diff, index, start


def _blobs(extended: Sequence[str]) -> tuple[str, str]:
    return next(((line[1], line[2]) for line in map(BLOBS.match, extended) if line), ("", ""))


def _hunk_header(lines: Sequence[str], index: int, margin: str) -> tuple[re.Match[str], int] | None:
    line = _bare(lines[index], margin).strip()
    if not line.startswith("@@"):
        return None
    match = HUNK.fullmatch(line)
    if match:
        return match, index + 1
    if index + 1 < len(lines):
        match = HUNK.fullmatch(line + " " + _bare(lines[index + 1], margin).strip())
        if match:
            return match, index + 2
    return None


def _ends_hunk(lines: Sequence[str], index: int, margin: str, *, whole: bool) -> bool:
    """Return whether a line is below a hunk; a `whole` one has all the old lines it counts."""
    line = _bare(lines[index], margin)
    if RULE.fullmatch(line.rstrip()) and not whole and not _is_old_name(lines, index + 1, margin):
        return False  # it is below a title, and the blank before it is lost
    if BETWEEN.match(line) or _hunk_header(lines, index, margin):
        return True
    return _is_old_name(lines, index, margin)


def _is_old_name(lines: Sequence[str], index: int, margin: str) -> bool:
    """Return whether a line names the old file of a diff: the new one's name is below."""
    old = OLD.match(lines[index]) if index < len(lines) else None
    if not old:
        return False
    # The other diff may be quoted although this one is not.
    margins = {margin, old["margin"] if old["margin"].strip() else margin}
    return any(
        NEW.match(_bare(other, own)) for other in lines[index + 1 : index + 3] for own in margins
    )


def _counts(header: re.Match[str]) -> tuple[int, int]:
    # Numbers that are too long for a file are reported where the hunk is read.
    return int((header["olds"] or "1")[:9]), int((header["news"] or "1")[:9])


def _counted_end(lines: Sequence[str], match: re.Match[str], start: int, margin: str) -> int:
    """Return the index after the lines that a hunk counts; `start` if they are not all there.

    Whatever they look like, no other diff begins within them.
    """
    old, new = _counts(match)
    at = start
    while (old > 0 or new > 0) and at < len(lines):
        line = _bare(lines[at], margin)
        sign = line[:1]
        if sign not in _SIGNS or line == "\\" or _is_next(lines, at, margin):
            return start
        if sign != "\\":
            old -= sign != "+"
            new -= sign != "-"
        at += 1
    return start if old or new else at


def _is_next(lines: Sequence[str], index: int, margin: str) -> bool:
    """Return whether the header of another file begins at a line: ---, +++ and @@, flush left."""
    bare = [_bare(line, margin) for line in lines[index : index + 3]]
    return (
        len(bare) == 3
        and bare[0].startswith("--- ")
        and bare[1].startswith("+++ ")
        and HUNK.match(bare[2]) is not None
    )


def _hunk(
    reader: _Reader,
    index: int,
    match: re.Match[str],
    start: int,
    end: int,
    margin: str,
    last: bool,
) -> RawHunk:
    counts = {}
    for name, default in (("old", "0"), ("olds", "1"), ("new", "0"), ("news", "1")):
        digits = match[name] or default
        if len(digits) > 8 or int(digits) > _MAX_NUMBER:
            raise reader.error(
                index, f"no file has {digits[:12]} lines", "the hunk header is wrong"
            )
        counts[name] = int(digits)
    return RawHunk(
        line=index + 1,
        old_start=counts["old"],
        old_count=counts["olds"],
        new_start=counts["new"],
        new_count=counts["news"],
        section=match["section"].strip(),
        body=tuple(
            Line(number=number + 1, text=text, outside=bool(margin.strip()) and text == whole)
            for number, whole in enumerate(reader.lines[start:end], start)
            for text in (_bare(whole, margin),)
        ),
        last=last,
        final=end >= len(reader.lines),
    )
