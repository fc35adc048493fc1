"""Find out whether a tree has a hunk already, so that it applies in reverse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from memnotify.mailpatch.align import MailedHunk, find_readings
from memnotify.mailpatch.budget import Effort
from memnotify.mailpatch.changes import CONTEXT, CR, OpenFile
from memnotify.mailpatch.footers import left_over
from memnotify.mailpatch.git_index import is_base
from memnotify.mailpatch.line_index import FileIndex
from memnotify.mailpatch.raw import RawHunk
from memnotify.mailpatch.reading import LineKind, Part, Reading
from memnotify.mailpatch.standing import end_of, own_lines, standing, swapped
from memnotify.mailpatch.tokens import key
from memnotify.mailpatch.truncation import lines_lacking


class Backward(Enum):
    """What is known of a hunk in reverse."""

    NO = auto()
    APPLIED = auto()  # the tree has it
    LACKS = auto()  # the mail has lost a line: with it, the tree might have the hunk or not
    UNCLEAR = auto()  # it changes white space only, and the tree has neither the old nor the new


@dataclass(frozen=True, slots=True, kw_only=True)
class HunkInTree:
    """A hunk and the file that it is for; `width` is the length of the mail's longest line."""

    hunk: RawHunk
    file: OpenFile
    index: FileIndex
    width: int
    effort: Effort

    def stands_in_reverse(self) -> bool:
        """Return whether a hunk that fits a file as it stands fits it in reverse as well.

        The file has the patch then, and may take it once more; unless the index line says that it
        is the file without it.
        """
        added, removed = (
            [key(line.text[1:]) for line in own_lines(self.hunk) if line.text[:1] == sign]
            for sign in ("+", "-")
        )
        if self.file.before is None or not any(added) or added == removed:
            return False
        return self._stands() and not is_base(self.file)

    def backward(self, readings: Sequence[Reading]) -> Backward:
        """Return whether the tree has a hunk already that has these readings, or none.

        Where both can be read, the one that needs less repair is right. If neither needs any, it is
        the place in the header that tells, and whether the hunk would be put beside itself. If the
        hunk only removes lines, what surrounds them may be at many places: the header's tells. A
        file that is the one without the patch, by git's index line, does not have it.
        """
        if self.file.before is None:
            return Backward.NO
        found = self._backward(readings)
        claimed = found in (Backward.APPLIED, Backward.UNCLEAR)
        return Backward.NO if claimed and is_base(self.file) else found

    def _backward(self, readings: Sequence[Reading]) -> Backward:
        body = own_lines(self.hunk)
        added = [key(line.text[1:]) for line in body if line.text.startswith("+")]
        removed = any(line.text.startswith("-") for line in body)
        if readings and self._is_of_white_space():
            return self._by_white_space(readings[0])
        if readings and not added:
            # It has been found elsewhere, such as the second of two equal copies.
            context = [key(line.text) for line in body if line.text.startswith(" ")]
            told = sum(map(bool, context)) >= CONTEXT
            return self._only_standing() if told else Backward.NO
        least = min((reading.cost for reading in readings), default=None)
        # A blank line alone is at many places, unless without it the hunk fits better.
        if not any(added) and (removed or not added or not least):
            return self._only_standing()
        counted = any(reading.counted for reading in readings)
        if counted and not self._is_near(readings):
            return self._only_standing()
        found = self._found(self._start)
        found += [back for reading in readings for back in self._found(reading.start)]
        lacking = lines_lacking(self.hunk)
        # Which line is lost is not known, even if the tree has an empty one at a place.
        whole = any(r.counted and (not lacking or _is_of_mail(r)) for r in readings)
        if lacking and found and not whole and not any(back.counted for back in found):
            return Backward.LACKS
        for back in found:
            there = not counted or (
                back.counted
                and (back.start == self._start or any(_touch(back, own) for own in readings))
            )
            if there and (least is None or back.cost <= least) and self._undoes(back):
                return Backward.APPLIED
        return Backward.NO

    def _is_of_white_space(self) -> bool:
        """Return whether a hunk has the same lines before and after it, but for white space."""
        body = own_lines(self.hunk)
        sides = [
            [key(line.text.removeprefix(sign)) for line in body if line.text[:1] != other]
            for sign, other in (("-", "+"), ("+", "-"))
        ]
        return sides[0] == sides[1] and any(line.text.startswith("+") for line in body)

    def _by_white_space(self, reading: Reading) -> Backward:
        """Return whether a file has the new lines of a hunk that changes white space only."""
        gone = [part for part in reading.parts if part.kind is LineKind.REMOVED]
        added = [part for part in reading.parts if part.kind is LineKind.ADDED]
        there = [self.file.old.lines[part.tree or 0] for part in gone]
        if _are(gone, there) or list(map(_text, gone)) == list(map(_text, added)):
            return Backward.NO
        return Backward.APPLIED if _are(added, there) else Backward.UNCLEAR

    @property
    def _start(self) -> int:
        return max(self.hunk.new_start - (self.hunk.new_count > 0), 0)

    def _stands(self) -> bool:
        back, start = swapped(self.hunk), self._start
        there = standing(back, self.index, start=start, after=0, width=self.width)
        return there is not None

    def _only_standing(self) -> Backward:
        return Backward.APPLIED if self._stands() else Backward.NO

    def _found(self, expected: int) -> list[Reading]:
        back = swapped(self.hunk)
        return find_readings(
            MailedHunk(hunk=back, width=self.width, end=end_of(back)),
            self.index,
            expected=expected,
            effort=self.effort,
        )

    def _is_near(self, readings: Sequence[Reading]) -> bool:
        """Return whether a file has the added lines of a hunk near a place where it may be.

        Those are where it was found, and where its header says.
        """
        words = {key(line.text[1:]) for line in own_lines(self.hunk) if line.text.startswith("+")}
        size = self.hunk.new_count + CONTEXT
        return any(
            words.issubset(self.index.keys[max(0, start - size) : start + 2 * size])
            for start in (*(reading.start for reading in readings), self._start)
        )

    def _undoes(self, back: Reading) -> bool:
        """Return whether a reading of the hunk in reverse is one of all its lines."""
        added = (part for part in back.parts if part.kind is LineKind.ADDED)
        whole = all(not line.text.startswith("-") for part in added for line in part.mail)
        return whole and not left_over(back.rest, last=self.hunk.last)


def _text(part: Part) -> str:
    """Return a line of a mail without its marker and its line end; its first piece, if wrapped."""
    return part.mail[0].text[1:].removesuffix(CR)


def _are(parts: Sequence[Part], lines: Sequence[str]) -> bool:
    """Return whether lines of a mail are those of a file, with the same white space."""
    return len(parts) == len(lines) and all(
        line.startswith(_text(part).rstrip())
        if len(part.mail) > 1
        else line.removesuffix(CR) == _text(part)
        for part, line in zip(parts, lines, strict=True)
    )


def _is_of_mail(reading: Reading) -> bool:
    """Return whether the mail has all lines of a reading: none of them was put back."""
    return all(part.mail for part in reading.parts)


def _touch(one: Reading, other: Reading) -> bool:
    """Return whether two readings are of the same lines of a file, or of neighbours."""
    begin, end = _range(one)
    start, stop = _range(other)
    return begin <= stop and start <= end


def _range(reading: Reading) -> tuple[int, int]:
    places = [part.tree for part in reading.parts if part.tree is not None]
    return (places[0], places[-1] + 1) if places else (reading.start, reading.start)
