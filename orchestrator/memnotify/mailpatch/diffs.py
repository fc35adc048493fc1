"""Read the diffs in the text of a mail, without trusting any white space in it.

All that is decided here about the lines of a hunk is where they may end. Which of them are context,
and where the hunk really ends, can only be decided with the tree (`align`).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from memnotify.errors import InputError
from memnotify.mailpatch.headers import path_of
from memnotify.mailpatch.repeats import without_repeats

NULL = "/dev/null"

_MARGIN = r"(?P<margin>[ \t]*(?:[>|:}][ \t]*)*)"
_OLD = re.compile(_MARGIN + r"---[ \t]+(?P<path>\S.*)")
_NEW = re.compile(r"\+\+\+[ \t]+(?P<path>\S.*)")
_HUNK = re.compile(
    r"@@[ \t]*-(?P<old>\d+)(?:,(?P<olds>\d+))?[ \t]+\+(?P<new>\d+)(?:,(?P<news>\d+))?[ \t]*@@"
    r"[ \t]?(?P<section>.*)"
)
_GIT = re.compile(_MARGIN + r'diff --git (?P<old>"?a/.+?"?) (?P<new>"?b/.+"?)$')
_EXTENDED = re.compile(
    r"(?:old mode|new mode|deleted file mode|new file mode|copy from|copy to|rename from"
    r"|rename to|similarity index|dissimilarity index) .*|index [0-9a-f]+\.\.[0-9a-f]+.*"
)
_BLOBS = re.compile(r"index ([0-9a-f]{7,})\.\.([0-9a-f]{7,})\b")
# Text that only a diff has: after its margin, or anywhere in a line if its blanks are intact.
_TRACE = re.compile(r'\+\+\+ "?[^\s/]+/\S|@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@')
_ANYWHERE = re.compile(r'diff --git "?a/\S|\+\+\+ "?b/\S|@@ -\d+(?:,\d+)? \+\d')
_BETWEEN = re.compile(
    r"Index: |diff -|={20,}|RCS file: |retrieving revision |[$%#] (?:quilt|git|hg|svn|cvs) diff\b"
)
_BINARY = re.compile(r"GIT binary patch|Binary files .* differ")
# Lines that a diff may have before its first hunk, and a truncated hunk header.
_HEADERS = re.compile(rf"Index: \S|diff -|={{20,}}|--- \S*/\S|\+\+\+ \S*/\S|@@|{_EXTENDED.pattern}")
_EMPTY = "e69de29"  # git's digest of an empty file: with it, an `index` line needs no hunk
_PREAMBLE = 6  # lines: git's and quilt's, wrapped
_MAX_NUMBER = 10_000_000
_SHOWN = 100  # columns of a name, in messages


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a mail's text, without its quoting prefix; `number` counts from 1 in the text.

    `outside`: it has no prefix although the diff has one, so it is a comment between the lines.
    """

    number: int
    text: str
    outside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RawHunk:
    """A hunk with the numbers of its header, and the lines up to the next header.

    `section` is the text after the second @@. `last`: it is the last hunk of the file's diff.
    """

    line: int
    old_start: int
    old_count: int
    new_start: int
    new_count: int
    section: str
    body: tuple[Line, ...]
    last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RawDiff:
    """The changes of one file; paths as the mail has them, without dates.

    `quoted`: all of it is behind a margin, as in a reply. `blobs` are git's abbreviated digests of
    the old and the new file; empty if there are none.
    """

    line: int
    before: str
    after: str
    extended: tuple[str, ...]
    hunks: tuple[RawHunk, ...]
    quoted: bool = False
    blobs: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """An incomplete header of a diff: its line, and what is wrong with it.

    `prose`: a reply or a cover letter may have such a line without having a diff.
    """

    line: int
    message: str
    prose: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """The parsed text of a mail: the lines before the first diff, and the diffs.

    `broken` are headers that must have had a diff, although none could be read.
    """

    head: tuple[str, ...]
    diffs: tuple[RawDiff, ...]
    quoted: bool
    wrapped: tuple[int, ...]  # the lines of wrapped headers
    broken: tuple[Broken, ...] = ()
    repeated: tuple[int, ...] = ()  # the header lines of hunks that occur twice


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
    begin = None
    index = 0
    while index < len(lines):
        if _BINARY.match(lines[index].lstrip(" \t>|")):
            raise reader.error(index, "a binary diff", "only text can be restored")
        at = _file_header(reader, index, wrapped)
        if at is None:
            unread.append(index)
            index += 1
            continue
        diff, index, start = at
        begin = start if begin is None else begin
        diffs.append(diff)
    head = tuple(lines if begin is None else lines[:begin])
    for number, line in enumerate(head[-_PREAMBLE:], max(0, len(head) - _PREAMBLE)):
        if _BETWEEN.match(line.lstrip(" \t>|")):
            head = head[:number]
            break
    # A piece of a patch may be quoted in any way.
    bare = [line.lstrip(" \t>|:}") for line in lines] if reader.quoted else lines
    broken = list(_broken(bare, {diff.line - 1 for diff in diffs if not diff.hunks}))
    if not broken:
        broken = list(_unread(lines, bare, unread, diffs))
    once, repeated = without_repeats(diffs)
    return Text(
        head=head,
        diffs=tuple(once),
        quoted=reader.quoted,
        wrapped=tuple(wrapped),
        broken=tuple(broken),
        repeated=repeated,
    )


def _broken(lines: Sequence[str], whole: Collection[int]) -> Iterator[Broken]:
    """Yield the headers that lack a part; those at the indices `whole` need no hunk."""
    for at, line in enumerate(lines):
        if not line.startswith("--- ") or not _HEADERS.match(line):
            continue
        ahead = lines[at + 1 : at + 3]
        hunk = next((n for n, other in enumerate(ahead) if _HUNK.match(other)), None)
        if hunk is not None and not any(_NEW.match(other) for other in ahead[:hunk]):
            yield Broken(line=at + 1, message="a --- line without its +++ line")
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    begin = end
    while begin and _HEADERS.match(lines[begin - 1]):
        begin -= 1
    run = lines[begin:end]
    # If the header of a hunk is there, it is that hunk which was truncated.
    if not run or _HUNK.match(run[-1]) or all(line.startswith(("=", "@@")) for line in run):
        return
    git = next((at for at in range(begin, end) if at in whole), None)
    blobs = [line for line in run if line.startswith("index ")]
    if git is None or any(_EMPTY not in line for line in blobs) or _OLD.match(run[-1]):
        name = next((line for line in run if not line.startswith("=")), run[0])
        message = f"the mail ends in the header of {_named(name)}"
        yield Broken(line=begin + 1, message=message)


def _unread(
    lines: Sequence[str], bare: Sequence[str], unread: Sequence[int], diffs: Sequence[RawDiff]
) -> Iterator[Broken]:
    """Yield lines that look like a diff but are in none; `unread`: indices of lines in no diff."""
    starts = [diff.line for diff in diffs]
    for at in unread:
        git, trace = _GIT.fullmatch(bare[at]), _TRACE.match(bare[at])
        what = None
        if not diffs:
            what = "a diff that cannot be read" if _ANYWHERE.search(lines[at]) else None
        elif git and not git["margin"]:
            # There may be an odd line between this one and the rest of the header.
            below = bisect_right(starts, at)
            names = {path_of(git["old"]), path_of(git["new"])}
            if not any(names & {d.before, d.after} for d in diffs[below : below + 1]):
                what = "a diff of which the --- line, the +++ line or the first @@ line is lost"
        elif trace:
            what = "a hunk of no file" if trace[0][0] == "@" else "a +++ line without its --- line"
        if what:
            quoted = lines[at].lstrip()[:1] in tuple(">|:}")
            yield Broken(line=at + 1, message=what, prose=quoted or not diffs)
    for hunk in (hunk for diff in diffs for hunk in diff.hunks if not hunk.last):
        # Without a separating line, the header of the next file looks like the end of the hunk.
        end = next((line for line in reversed(hunk.body) if line.text.strip()), None)
        if end and _TRACE.match(end.text):
            yield Broken(line=end.number, message="a +++ line without its --- line")


def _named(line: str) -> str:
    """Return the file that a line of a header names."""
    git = _GIT.match(line)
    return (git["new"] if git else path_of(line.partition(" ")[2]))[:_SHOWN]


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
    git = _GIT.match(lines[index])
    start = index
    extended: list[str] = []
    margin = ""
    if git:
        margin = git["margin"]
        index += 1
        while index < len(lines) and _EXTENDED.fullmatch(_bare(lines[index], margin).strip()):
            extended.append(_bare(lines[index], margin).strip())
            index += 1
    old = _OLD.match(lines[index]) if index < len(lines) else None
    found = None
    if old:
        margin = old["margin"]
        # A long line with dates may have been wrapped once.
        for skip in (1, 2):
            if index + skip < len(lines):
                new = _NEW.match(_bare(lines[index + skip], margin))
                if new:
                    found = index + skip, new
                    wrapped += [index] if skip == 2 else []
                    break
    if old is None or found is None:
        if git and any(
            line.startswith(("rename", "old mode", "copy", "new file", "deleted file"))
            for line in extended
        ):
            diff = RawDiff(
                line=start + 1,
                before=path_of(git["old"]),
                after=path_of(git["new"]),
                extended=tuple(extended),
                hunks=(),
                quoted=bool(margin.strip()),
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
        end = body_at
        while end < len(lines) and not _ends_hunk(lines, end, margin):
            end += 1
        last = end >= len(lines) or _hunk_header(lines, end, margin) is None
        hunks.append(_hunk(reader, index, match, body_at, end, margin, last))
        index = end
    if not hunks:
        return None
    reader.quoted = reader.quoted or bool(margin)
    diff = RawDiff(
        line=start + 1,
        before=path_of(old["path"]),
        after=path_of(new["path"]),
        extended=tuple(line for line in extended if not line.startswith("index ")),
        hunks=tuple(hunks),
        quoted=bool(margin.strip()),
        blobs=next(((line[1], line[2]) for line in map(_BLOBS.match, extended) if line), ("", "")),
    )
    return diff, index, start


def _hunk_header(lines: Sequence[str], index: int, margin: str) -> tuple[re.Match[str], int] | None:
    line = _bare(lines[index], margin).strip()
    if not line.startswith("@@"):
        return None
    match = _HUNK.fullmatch(line)
    if match:
        return match, index + 1
    if index + 1 < len(lines):
        match = _HUNK.fullmatch(line + " " + _bare(lines[index + 1], margin).strip())
        if match:
            return match, index + 2
    return None


def _ends_hunk(lines: Sequence[str], index: int, margin: str) -> bool:
    line = _bare(lines[index], margin)
    if _BETWEEN.match(line) or _hunk_header(lines, index, margin):
        return True
    old = _OLD.match(lines[index])
    if not old:
        return False
    # The other diff may be quoted although this one is not.
    margins = {margin, old["margin"] if old["margin"].strip() else margin}
    return any(
        _NEW.match(_bare(other, own)) for other in lines[index + 1 : index + 3] for own in margins
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
    )
