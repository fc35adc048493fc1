"""The diffs of a mail as they were read, before any tree is looked at."""

from __future__ import annotations

from dataclasses import dataclass

NULL = "/dev/null"


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
    `final`: nothing of the mail is below its body.
    """

    line: int
    old_start: int
    old_count: int
    new_start: int
    new_count: int
    section: str
    body: tuple[Line, ...]
    last: bool
    final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RawDiff:
    """The changes of one file; paths as the mail has them, without dates.

    `quoted`: all of it is behind a margin, as in a reply. `margin` is what precedes its lines.
    `exact`: the paths have no prefix. `git`: git's header says whether a file is made or deleted.
    `blobs` are git's abbreviated digests of the old and the new file; empty if there are none.
    `dateless`: the date of the new file is that of none, the beginning of 1970.
    """

    line: int
    before: str
    after: str
    extended: tuple[str, ...]
    hunks: tuple[RawHunk, ...]
    quoted: bool = False
    margin: str = ""
    exact: bool = False
    git: bool = False
    blobs: tuple[str, str] = ("", "")
    dateless: bool = False

    @property
    def depth(self) -> tuple[int, int]:
        """How often it is quoted, and how far it is indented besides."""
        signs = len(self.margin) - self.margin.count(" ") - self.margin.count("\t")
        return signs, max(0, len(self.margin.expandtabs()) - 2 * signs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """An incomplete header of a diff: its line, and what is wrong with it.

    `prose`: a reply or a cover letter may have such a line without having a diff. `hint`: what to
    do, if that is not to get the whole mail.
    """

    line: int
    message: str
    prose: bool = False
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """The parsed text of a mail: the lines before the first diff, and the diffs.

    `broken` are headers that must have had a diff, although none could be read. `prose` are diffs
    that the text quotes or shows, indented, beside its own. `binary` are the lines where a program
    other than git says that two binary files differ.
    """

    head: tuple[str, ...]
    diffs: tuple[RawDiff, ...]
    quoted: bool
    wrapped: tuple[int, ...]  # the lines of wrapped headers
    broken: tuple[Broken, ...] = ()
    repeated: tuple[int, ...] = ()  # the header lines of hunks that occur twice
    prose: tuple[RawDiff, ...] = ()
    binary: tuple[int, ...] = ()
