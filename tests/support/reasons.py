"""Whether the reason of a refusal is true: each form of reason has a check of its own.

The checks know the patch as it was before anything happened to its mail, and the tree. They share
no code with the importer.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from memnotify.errors import InputError

from tests.support.history import Original, Reader
from tests.support.mail_forms import LOSSES, Made


class Truth(StrEnum):
    """What a check found."""

    TRUE = "true"
    APPLIED = "true: the tree has it already"
    UNCHECKED = "no check"
    FALSE = "false"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A refusal: its words, and everything that a check may need.

    `again` imports the mail with fuzz, and returns whether that works.
    """

    text: str
    made: Made
    original: Original
    read: Reader
    fits: bool  # git apply takes the patch in this tree
    again: Callable[[int], bool]

    def lines_of(self, name: str) -> list[str] | None:
        """Return the lines of a file of the tree without white space."""
        try:
            state = self.read(name)
        except InputError:
            return None
        return None if state is None else [_bare(line) for line in _text(state.data).split("\n")]

    def has(self, *damages: str) -> bool:
        return not {*damages}.isdisjoint(self.made.damages)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hunk:
    name: str
    old: tuple[str, ...]
    new: tuple[str, ...]


Check = Callable[[Refusal, re.Match[str]], Truth]

_HUNK = r"hunk (?P<hunk>\d+) of (?P<hunks>\d+)"
_RANGE = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _bare(line: str) -> str:
    """Return what a damaged mail keeps of a line: no white space, addresses or foreign letters."""
    masked = re.sub(r"[\w.+-]+(?:@| \(\) )[^\s>]*(?: ! [^\s>]*)*", "@", line)
    return re.sub(r"[^\x00-\x7f]+|\?+", "?", re.sub(r"[\s\u00a0]+", "", masked))


def _hunks(original: Original, name: str) -> list[_Hunk]:
    """Return the hunks of a file in the patch as it was, without white space."""
    found: list[_Hunk] = []
    current = ""
    lines = iter(original.lines)
    for line in lines:
        if line.startswith(("--- a/", "+++ b/")):
            current = line[6:].split("\t")[0]
        match = _RANGE.match(line)
        if match is None or current != name:
            continue
        left = [int(match[1] or 1), int(match[2] or 1)]
        body = []
        while left[0] > 0 or left[1] > 0:
            body.append(next(lines))
            left[0] -= body[-1][:1] in " -"
            left[1] -= body[-1][:1] in " +"
        old, new = (
            tuple(_bare(text[1:]) for text in body if text[:1] in marks) for marks in (" -", " +")
        )
        found.append(_Hunk(name=name, old=old, new=new))
    return found


def _hunk(refusal: Refusal, match: re.Match[str]) -> _Hunk | None:
    """Return the hunk that a reason names; None if the patch has not as many there."""
    found = _hunks(refusal.original, match["file"])
    number = int(match["hunk"])
    return found[number - 1] if len(found) == int(match["hunks"]) >= number else None


def _places(lines: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Return where lines stand together, counted from 1."""
    size = len(wanted)
    return [n + 1 for n in range(len(lines) - size + 1) if lines[n : n + size] == list(wanted)]


def _truth(true: bool) -> Truth:
    return Truth.TRUE if true else Truth.FALSE


def _would(refusal: Refusal, match: re.Match[str]) -> Truth:
    return _truth(refusal.again(int(match["fuzz"])))


def _no_line(refusal: Refusal, match: re.Match[str]) -> Truth:
    lines = refusal.lines_of(match["file"])
    shown = str(ast.literal_eval(match["q"] + match["line"] + match["q"]))
    line, cut = _bare(shown), len(shown) >= 60
    if lines is None:
        return Truth.FALSE
    if not cut or not any(own.startswith(line) for own in lines):
        return _truth(line not in lines)
    # Only the beginning is shown: one of the lines that begin so has to be missing.
    hunks = _hunks(refusal.original, match["file"])
    begins = [old for hunk in hunks for old in hunk.old if old.startswith(line)]
    return _truth(any(old not in lines for old in begins)) if begins else Truth.UNCHECKED


def _no_order(refusal: Refusal, match: re.Match[str]) -> Truth:
    hunk, lines = _hunk(refusal, match), refusal.lines_of(match["file"])
    if hunk is None or lines is None:
        return Truth.UNCHECKED
    if refusal.has(*LOSSES):
        return Truth.UNCHECKED  # one of its lines may be lost
    return _truth(not _places(lines, hunk.old) and all(line in lines for line in hunk.old))


def _was_damaged(refusal: Refusal, match: re.Match[str]) -> Truth:
    """Return whether a file is the one that the patch was made from, and its mail not sound."""
    state, old = refusal.read(match["file"]), refusal.original.before.get(match["file"])
    same = state is not None and old is not None and state.data == old.data
    return _truth(same and not refusal.made.sound)


def _white_space(refusal: Refusal, match: re.Match[str]) -> Truth:
    hunk = _hunk(refusal, match)
    if hunk is None or refusal.has(*LOSSES):
        return Truth.UNCHECKED
    return _truth(hunk.old == hunk.new and not refusal.made.sound)


def _no_fit(refusal: Refusal, match: re.Match[str]) -> Truth:
    return _truth(not refusal.fits or not refusal.made.sound)


def _in_reverse(refusal: Refusal, match: re.Match[str]) -> Truth:
    hunk, lines = _hunk(refusal, match), refusal.lines_of(match["file"])
    if hunk is None or lines is None:
        return Truth.UNCHECKED
    # A blank line more or less, or a line that was broken elsewhere, is no other text.
    return Truth.APPLIED if "".join(hunk.new) in "".join(lines) else Truth.FALSE


def _is_result(refusal: Refusal, match: re.Match[str]) -> Truth:
    state, made = refusal.read(match["file"]), refusal.original.after.get(match["file"])
    there = state is not None and made is not None and state.data == made.data
    return Truth.APPLIED if there else Truth.FALSE


def _exists(refusal: Refusal, match: re.Match[str]) -> Truth:
    lines = refusal.lines_of(match["file"])
    made = refusal.original.after.get(match["file"])
    if lines is None or made is None:
        return Truth.FALSE
    same = lines == [_bare(line) for line in _text(made.data).split("\n")]
    if "same lines" in refusal.text:
        return Truth.APPLIED if same else Truth.FALSE
    return _truth(not same or refusal.has(*LOSSES))


def _missing(refusal: Refusal, match: re.Match[str]) -> Truth:
    if refusal.lines_of(match["file"]) is not None:
        return Truth.FALSE
    gone = refusal.original.after.get(match["file"], ...) is None
    return Truth.APPLIED if gone else Truth.TRUE


def _there(refusal: Refusal, match: re.Match[str]) -> Truth:
    return Truth.APPLIED if refusal.lines_of(match["file"]) is not None else Truth.FALSE


def _equally_well(refusal: Refusal, match: re.Match[str]) -> Truth:
    hunk, lines = _hunk(refusal, match), refusal.lines_of(match["file"])
    if hunk is None or lines is None:
        return Truth.UNCHECKED
    claimed = {int(number) for number in match["places"].split(", ")}
    return _truth(claimed.issubset(_places(lines, hunk.old)))


def _nothing(refusal: Refusal, match: re.Match[str]) -> Truth:
    """Return whether the patch changes white space only, which the tree has, or the mail lost."""
    hunks = _hunks(refusal.original, match["file"])
    if any("".join(hunk.old) != "".join(hunk.new) for hunk in hunks):
        return Truth.FALSE
    if not refusal.fits:
        return Truth.APPLIED
    state, made = refusal.read(match["file"]), refusal.original.after.get(match["file"])
    there = state is not None and made is not None and state.data == made.data
    return Truth.APPLIED if there else _truth(not refusal.made.sound)


def _lacks(refusal: Refusal, match: re.Match[str]) -> Truth:
    return _truth(refusal.has(*LOSSES, "wrong_counts"))


def _leaves(refusal: Refusal, match: re.Match[str]) -> Truth:
    lines = refusal.lines_of(match["file"])
    hunks = _hunks(refusal.original, match["file"])
    return _truth(lines is not None and len(lines) - 1 > sum(len(hunk.old) for hunk in hunks))


def _string_wrapped(refusal: Refusal, match: re.Match[str]) -> Truth:
    return _truth(refusal.has("wrapped"))


def _string_blanks(refusal: Refusal, match: re.Match[str]) -> Truth:
    return _truth(refusal.has("collapsed"))


def _entities(refusal: Refusal, match: re.Match[str]) -> Truth:
    return _truth(any("&" in line for line in refusal.original.lines) or refusal.has("entities"))


def _no_diff(refusal: Refusal, match: re.Match[str]) -> Truth:
    return _truth(refusal.has("cut"))


def _long_line(refusal: Refusal, match: re.Match[str]) -> Truth:
    return _truth(
        any(len(line.encode("utf-8", "replace")) > 900 for line in refusal.original.lines)
    )


def _unexpected(refusal: Refusal, match: re.Match[str]) -> Truth:
    return _truth(refusal.has(*LOSSES, "wrong_counts")) if refusal.made.sound else Truth.UNCHECKED


def _never(refusal: Refusal, match: re.Match[str]) -> Truth:
    return Truth.FALSE


def _unchecked(refusal: Refusal, match: re.Match[str]) -> Truth:
    return Truth.UNCHECKED


_FILE = r"(?P<file>\S+?)"
CHECKS: tuple[tuple[str, Check], ...] = (
    (rf"{_HUNK} (?:does not fit|fits) {_FILE}(?:[:,]? .*)? \(by git's index line", _was_damaged),
    (rf"deletes {_FILE}, which .*\(by git's index line", _was_damaged),
    (rf"{_HUNK} changes only white space, and {_FILE} has neither", _white_space),
    (rf"{_HUNK} does not fit {_FILE}(?:, which .*)? \(it would with --fuzz (?P<fuzz>\d)\)", _would),
    (
        rf"{_HUNK} does not fit {_FILE}, which has no line (?P<q>['\"])(?P<line>.*?)(?P=q) \(",
        _no_line,
    ),
    (rf"{_HUNK} does not fit {_FILE}: its lines are there, but not together", _no_order),
    (rf"{_HUNK} does not fit {_FILE} \(is this the base", _no_fit),
    (rf"{_HUNK} is in {_FILE} already", _in_reverse),
    (rf"{_FILE} is already the file that the patch makes", _is_result),
    (rf"{_HUNK} fits {_FILE} equally well at lines (?P<places>[\d, ]+)", _equally_well),
    (rf"{_HUNK} of {_FILE} can be read in \d+ ways", _unchecked),
    (
        rf"{_HUNK} fits {_FILE} only at line (?P<places>\d+), above the hunk before it",
        _equally_well,
    ),
    (rf"changes nothing in {_FILE}: ", _nothing),
    (rf"creates {_FILE}, which ", _exists),
    (rf"(?:changes|deletes|moves) {_FILE}, which is not in the tree", _missing),
    (r"makes (?P<file>\S+) of \S+, but there is a ", _there),
    (rf"deletes {_FILE}, which has \d+ lines? in the tree that", _leaves),
    (r"the mail (?:ends|lacks|has not)", _lacks),
    (r"a --- line without its|a \+\+\+ line without its|belongs to no diff", _lacks),
    (r"a string of \S+ was wrapped", _string_wrapped),
    (r"a string of \S+ may have had more blanks", _string_blanks),
    (r"unexpected line after ", _unexpected),
    (r"entit", _entities),
    (r"it has no diff", _no_diff),
    (r"a line of \d+ bytes|a line that is longer", _long_line),
    (r"too ambiguous|too large", _unchecked),
    (
        r"would change what is said|a binary|is changed twice|leads out of the tree|no file has"
        r"|of two series|here twice|several revisions|without showing its lines|a diff of no file",
        _never,
    ),
)


def check(refusal: Refusal) -> Truth:
    """Return whether a reason is true, by the first check that knows its form."""
    for pattern, looks in CHECKS:
        match = re.search(pattern, refusal.text)
        if match:
            return looks(refusal, match)
    return Truth.UNCHECKED


def shape(text: str) -> str:
    """Return a reason without what differs from mail to mail, to count reasons by."""
    bare = re.sub(r"^\S*mail\S*: ", "", text.split("\n")[0])
    bare = re.sub(r"(['\"]).*\1|“.*”", "…", bare)
    bare = re.sub(r"\S*[/.]\S+|\b(?:Makefile|Kconfig|Kbuild)\b", "FILE", bare)
    return re.sub(r"\d+(?:, \d+)*", "N", bare)[:110]
