"""Decide whether escapes and odd characters come from the archive or are part of the patch.

HTML entities, odd blanks and invisible marks in added lines come from the archive if they are in
lines that the tree has without them, and belong to the patch if the tree has them as well. If no
line shows that, C does (it has none of them outside strings and comments), and then the mail's
prose.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from memnotify.errors import InputError
from memnotify.mailpatch.changes import OpenFile
from memnotify.mailpatch.diffs import read_diffs
from memnotify.mailpatch.entities import ENTITY
from memnotify.mailpatch.line_index import index_of
from memnotify.mailpatch.mail import Mail
from memnotify.mailpatch.raw import Line, Text
from memnotify.mailpatch.repairs import Chooser, Question, Repair, RepairKind
from memnotify.mailpatch.tokens import MARKS, code_of, in_comment, is_c, key, plain

_SIGN = re.compile(r"[<>&]")
_BARE = re.compile(r"[<>]|&(?!#?\w+;)")
_ARCHIVES = "\u00a0\u200b\u2060\ufeff\u00ad"  # those of the odd marks that archives insert
_NONE = Line(number=1, text="")
_PLACES = 20  # examined for a line
_ODD_BLANK = "\u00a0"
_TELLING = 20  # blanks of a diff; an archive that replaces blanks would have replaced one of them

Opened = Sequence[OpenFile]
Lines = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """Decides for one mail; `open_files` opens the files of a text, `error` builds an error.

    `proven` says whether the index lines of diffs confirm their text.
    """

    mail: Mail
    open_files: Callable[[Text], Opened]
    error: Callable[[int, str, str | None], InputError]
    choose: Chooser | None
    proven: Callable[[Opened], bool] = lambda files: False

    def read(self) -> tuple[Text, list[Repair]]:
        """Return the mail's text as it was written, and the repairs, including what is left open.

        Raises InputError if nothing decides and there is no `choose` to ask.
        """
        proof = self._proof()
        if proof is not None:
            return proof
        readings = [
            (number, self._text(lines, tuple(MARKS)))
            for number, lines in enumerate(self.mail.levels)
        ]
        readings = [(number, text) for number, text in readings if text.diffs] or readings[-1:]
        repairs: list[Repair] = []
        number, text, sure = *readings[-1], True
        if len(readings) > 1:
            number, text, sure = self._level(readings)
        if number:
            repairs.append(Repair(kind=RepairKind.DECODED, detail="HTML entities", sure=sure))
        # Some archives escape one character and not the others: then nothing is decoded.
        if (not number and not sure) or _has_code_with_entities(text):
            repairs.append(Repair(kind=RepairKind.LEFT, detail="HTML entities", sure=False))
        lines = self.mail.levels[number]
        if all(line.isascii() for line in lines):
            return text, repairs
        theirs = []
        for mark in MARKS:
            if any(mark in line for line in lines):
                foreign, sure = self._archives(mark, lines, text)
                theirs += [mark] if foreign else []
                if not foreign and not sure:
                    detail = f"U+{ord(mark):04X}"
                    repairs.append(Repair(kind=RepairKind.LEFT, detail=detail, sure=False))
        if theirs:
            detail = "non-breaking and invisible blanks"
            repairs.append(Repair(kind=RepairKind.DECODED, detail=detail))
        return self._text(lines, theirs), repairs

    def _proof(self) -> tuple[Text, list[Repair]] | None:
        """Return the one reading of the text that its index lines prove, if there are several."""
        marked = not all(line.isascii() for line in self.mail.lines)
        if len(self.mail.levels) == 1 and not marked:
            return None
        found = []
        for number, lines in enumerate(self.mail.levels):
            for marks in ((), tuple(MARKS)) if marked else ((),):
                text = self._text(lines, marks)
                if text.diffs and self.proven(self.open_files(text)):
                    undone = ["HTML entities"] * bool(number)
                    undone += ["non-breaking and invisible blanks"] * bool(marks)
                    found.append((number, text, undone))
        if len({number for number, _, _ in found}) != 1:
            return None  # what differs is in the message
        # An archive that inserts marks would have done so in the diff as well.
        _, text, undone = found[0]
        return text, [Repair(kind=RepairKind.DECODED, detail=what) for what in undone]

    def _text(self, lines: Lines, marks: Sequence[str]) -> Text:
        bare = [plain(line, marks) for line in lines]
        return read_diffs(bare, file=self.mail.source, first=self.mail.first)

    def _level(self, readings: Sequence[tuple[int, Text]]) -> tuple[int, Text, bool]:
        """Return how often entities are decoded, the text, and whether that is sure."""
        levels = self.mail.levels
        told = []
        for number, text in readings:
            before = levels[number - 1] if number else None
            if _in_tree(text, self.open_files(text), levels[number], before):
                told.append((number, text))
        if len(told) == 1:
            return *told[0], True
        if len({_added(text) for _, text in readings}) == 1:
            return *readings[-1], True
        possible = [(n, text) for n, text in readings if not _has_code_with_entities(text)]
        if 0 < len(possible) < len(readings):
            return *possible[0], False
        for number, text in readings:
            if _BARE.search("\n".join(text.head)):
                return number, text, False
        return *self._asked(readings), True

    def _asked(self, readings: Sequence[tuple[int, Text]]) -> tuple[int, Text]:
        rows = zip_longest(*(_added(text) for _, text in readings), fillvalue=_NONE)
        differing = next(row for row in rows if len(set(row)) > 1)
        choices = tuple(line.text for line in differing)
        found = ENTITY.search(choices[0])
        what = f"is {found[0] if found else 'this'} in an added line the patch's or the archive's?"
        if self.choose is None:
            number = max(line.number for line in differing)
            raise self.error(number, what, "--interactive shows both and asks")
        return readings[self.choose(Question(what, choices))]

    def _archives(self, mark: str, lines: Lines, text: Text) -> tuple[bool, bool]:
        """Return whether an odd mark comes from the archive, and whether that is sure.

        `text` was read without any marks; `lines` have them.
        """
        bodies = {line.number for line in _bodies(text)}
        begin = min((diff.line for diff in text.diffs), default=1)
        diff = "".join(lines[begin - 1 : max(bodies, default=0)])
        if mark == _ODD_BLANK and mark not in diff and diff.count(" ") >= _TELLING:
            return False, True  # only the message has it
        headers = (n for n in range(begin, max(bodies, default=0)) if n not in bodies)
        if any(mark in lines[number - 1] for number in headers):
            return True, True
        if _is_change(mark, lines, text):
            return False, True
        told = {
            all(lines[line.number - 1].count(mark) > own.count(mark) for own in owns)
            for line, owns in _old_lines(text, self.open_files(text))
            if mark in lines[line.number - 1]
        }
        if told:
            return True in told, len(told) == 1
        added = any(mark in lines[line.number - 1] for line in _added(text))
        if not added or mark not in _ARCHIVES:
            return mark in _ARCHIVES, True
        kept = self._text(lines, [other for other in MARKS if other != mark])
        return any(mark in code for code in _in_code(kept)) or any(
            mark in line for line in kept.head
        ), False


def _bodies(text: Text) -> Iterator[Line]:
    return (line for diff in text.diffs for hunk in diff.hunks for line in hunk.body)


def _added(text: Text) -> tuple[Line, ...]:
    return tuple(line for line in _bodies(text) if line.text.startswith("+"))


def _is_change(mark: str, lines: Lines, text: Text) -> bool:
    """Return whether the change is to remove or to insert a mark, which no other line has."""
    counts: dict[str, dict[str, int]] = {"+": {}, "-": {}}
    marked = set()
    for line in _bodies(text):
        sign, count = line.text[:1], lines[line.number - 1].count(mark)
        if sign not in counts and count:
            return False
        if sign in counts:
            counts[sign][line.text[1:]] = count
            marked |= {line.text[1:]} if count else set()
    pairs = [(counts["+"].get(said), counts["-"].get(said)) for said in marked]
    return bool(pairs) and all(None not in pair and pair[0] != pair[1] for pair in pairs)


def _old_lines(text: Text, files: Opened) -> Iterator[tuple[Line, Iterator[str]]]:
    """Yield the lines of hunks that the tree has, each with the first of its candidates there."""
    for diff, file in zip(text.diffs, files, strict=True):
        old, index = file.old.lines, index_of(file.old.lines)
        for line in (line for hunk in diff.hunks for line in hunk.body):
            if not line.text.startswith("+"):
                word = key(line.text.removeprefix("-"))
                if word and word in index.places:
                    places = index.places[word][:_PLACES]
                    yield line, (old[place] for place in places)


def _in_tree(text: Text, files: Opened, lines: Lines, before: Lines | None) -> bool:
    """Return whether the tree has a line as it is at this level of the text and no other."""
    for line, _ in _old_lines(text, files):
        at = line.number - 1
        if _SIGN.search(line.text) if before is None else lines[at] != before[at]:
            return True
    return False


def _in_code(text: Text) -> Iterator[str]:
    """Yield the added lines of C without strings and comments."""
    for diff in text.diffs:
        if not is_c(diff.after) and not is_c(diff.before):
            continue
        for hunk in diff.hunks:
            within = False
            for line in hunk.body:
                bare = line.text[1:] if line.text[:1] in ("+", "-") else line.text
                if line.text.startswith("+") and not within and bare.lstrip()[:1] != "*":
                    yield code_of(bare)
                if not line.text.startswith("-"):
                    within = in_comment(bare, within)


def _has_code_with_entities(text: Text) -> bool:
    return any(ENTITY.search(code) for code in _in_code(text))
