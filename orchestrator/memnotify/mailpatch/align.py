"""Find out which lines of a hunk are context or changes, and where in the file they belong.

A hunk from an archive may have lost the markers of all context lines. Its lines may be wrapped,
dropped or inserted, and its numbers may be wrong. The file itself shows what the lines were: every
old line of the hunk must be found there, in order and without a gap, ignoring white space. Of the
possible readings, the one with the least damage is taken, if there is only one.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from memnotify.mailpatch.budget import Effort
from memnotify.mailpatch.footers import footer_at, left_over
from memnotify.mailpatch.line_index import FileIndex, letters
from memnotify.mailpatch.raw import Line, RawHunk
from memnotify.mailpatch.reading import LineKind, Part, Reading, says_no_end
from memnotify.mailpatch.tokens import key
from memnotify.mailpatch.wrapping import (
    ends_section,
    has_room,
    is_complete,
    marks_context,
    may_be_of_header,
    may_be_wrapped,
    may_go_on,
)

_STEPS_FOR_A_PLACE = 3
_LINES_LOOKED_AT = 8  # in the time of one step
_JOINED = 6  # the most pieces that a line is wrapped into
_READINGS = 4  # kept for each state, to see if they differ
_ANCHORS = 3
_COMMON = 20  # a line with more places than this says little
_EATEN = 3  # dropped empty lines beyond the count in the hunk's header

# The cost of each repair, so that the least damage that explains a hunk is found first. A line that
# begins with a marker may be the rest of a wrapped one (`a` and `+ b`). That is as unlikely as a
# wrong count in the header, so both readings are shown.
_WRAPPED, _SPILLED, _BLANK, _FUZZ, _OTHER, _COUNT, _LEFT = 2, 2, 8, 20, 100, 200, 400


@dataclass(frozen=True, slots=True, kw_only=True)
class MailedHunk:
    """A hunk, and what its mail shows about it.

    `width` is the length of the mail's longest line: a line that would have fitted in it was not
    wrapped. `end`: the hunk is sound and ends before this index in its body, so nothing in it is
    repaired.
    """

    hunk: RawHunk
    width: int = 0
    end: int | None = None


def find_readings(
    mailed: MailedHunk,
    index: FileIndex,
    *,
    expected: int,
    after: int = 0,
    fuzz: int = 0,
    effort: Effort,
) -> list[Reading]:
    """Return the best readings of a hunk: several if they are equally good, [] if there are none.

    `expected` is the index in the file where it should begin, `after` the first index where it may.
    The expected place wins over others that are as good. It stays a choice beside better ones if
    its numbers are right. `fuzz` is how many lines of context at each end may be missing in the
    tree. Raises TooMuchError.
    """
    hunk = mailed.hunk
    reader = _Reader(mailed, index, fuzz, effort)
    here: list[Reading] = []
    best: list[Reading] = []
    least = 3 * _LEFT + _OTHER * sum(said is not None for said in reader.said)
    for start in _starts(hunk, index, expected, after):
        found = reader.read_at(start, least)
        if found and found[0].cost < least:
            best, least = [], found[0].cost
        if start == expected:
            here = found
        else:
            best += found
    if here and here[0].cost == least:
        best = here
    elif here and here[0].cost < least + _COUNT:
        best = [*here, *best]
    # Of equivalent readings that need as much repair keep the longest: it has all the context.
    different: dict[object, Reading] = {}
    for reading in best:
        known = different.get(reading.outcome)
        if known is None or (-reading.cost, len(reading.parts)) > (-known.cost, len(known.parts)):
            different[reading.outcome] = reading
    return list(different.values())


def _starts(hunk: RawHunk, index: FileIndex, expected: int, after: int) -> list[int]:
    """Return where in the file the hunk may begin: near the places of its rarest lines."""
    starts = {expected} if after <= expected <= len(index.keys) else set()
    anchors = []
    for at, line in enumerate(hunk.body):
        if line.text.startswith("+"):
            continue
        for word in {key(line.text), key(line.text[1:]) if line.text.startswith("-") else ""}:
            places = index.places.get(word, ()) if word else ()
            if places:
                anchors.append((len(places), at, places))
    for number, (count, at, places) in enumerate(sorted(anchors, key=lambda found: found[:2])):
        if number and (number >= _ANCHORS or count > _COMMON):
            break
        for place in places:
            # Lines before it may be additions, wrapped (one line in several), or dropped.
            starts.update(range(max(after, place - at - 3), place + 1))
    return sorted(starts, key=lambda start: (start != expected, start))


class _State(NamedTuple):
    """The progress of a reading: lines of mail and tree, and old and new lines of the hunk."""

    mail: int
    tree: int
    old: int
    new: int
    changed: bool
    foreign: int


class _Path(NamedTuple):
    """How a state was reached: `pieces` lines of the mail, from `mail` on, were read as one."""

    kind: LineKind
    mail: int
    pieces: int
    tree: int | None
    before: _Path | None

    def parts(self, body: Sequence[Line]) -> tuple[Part, ...]:
        found = []
        step: _Path | None = self
        while step is not None:
            mail = tuple(body[step.mail : step.mail + step.pieces])
            found.append(Part(kind=step.kind, mail=mail, tree=step.tree))
            step = step.before
        return tuple(reversed(found))


_Step = tuple[int, LineKind, int]  # the cost, what is read, and how many lines of the mail it takes


class _Reader:
    """Reads one hunk at any place of a file, by the path of least cost through its lines.

    `fuzz` is as for `find_readings`.
    """

    def __init__(self, mailed: MailedHunk, index: FileIndex, fuzz: int, effort: Effort) -> None:
        self.hunk = hunk = mailed.hunk
        self.end = mailed.end
        # The line end of a mail's last line is no line more.
        ended = hunk.final and bool(hunk.body) and not hunk.body[-1].text
        self.body = hunk.body[:-1] if ended else hunk.body
        self.index = index
        self.keys = index.keys
        self.fuzz = fuzz
        self.width = mailed.width
        self.effort = effort
        effort.spend(len(hunk.body) // _LINES_LOOKED_AT)
        self.words = [key(line.text) for line in self.body]
        self.removed = [
            key(line.text[1:]) if line.text.startswith("-") else None for line in self.body
        ]
        # The letters of lines that are not ASCII, unless the archive could not show them.
        self.said = [
            None if line.text.isascii() or "\ufffd" in line.text else letters(line.text)
            for line in self.body
        ]
        # The next line that is not empty, for each line and the end.
        self.follows: list[int | None] = [None]
        for at in reversed(range(len(self.body))):
            self.follows.append(at if self.body[at].text.strip() else self.follows[-1])
        self.follows.reverse()
        footer = next((n for n in range(len(self.body)) if footer_at(self.body, n)), None)
        changes = (n for n, line in enumerate(self.body[:footer]) if line.text[:1] in ("+", "-"))
        self.marked = marks_context(self.body)
        self.spilled = bool(self.body) and (
            may_be_of_header(hunk, self.body[0].text, self.width) or ends_section(hunk, self.keys)
        )
        self.unchanged = 1 + max(changes, default=-1)  # from here on there is no change

    def read_at(self, start: int, limit: int) -> list[Reading]:
        """Return the readings of least cost at a place; [] if they cost more than `limit`."""
        self.effort.spend(_STEPS_FOR_A_PLACE)
        first = _State(0, start, 0, 0, False, 0)
        queue: list[tuple[int, int, _State, _Path | None]] = [(0, 0, first, None)]
        seen: dict[_State, int] = defaultdict(int)
        found: list[tuple[int, _State, _Path | None]] = []
        serial = 0
        while queue:
            cost, _, state, path = heapq.heappop(queue)
            if cost > limit:
                break
            self.effort.spend()
            seen[state] += 1
            if seen[state] > _READINGS:
                continue
            ending = self._ending_cost(state, path)
            if ending is not None and cost + ending <= limit:
                limit = cost + ending
                found = [ending for ending in found if ending[0] <= limit]
                found.append((limit, state, path))
            for extra, kind, pieces in self._steps(state):
                serial += 1
                after, step = _read(state, kind, pieces, path)
                heapq.heappush(queue, (cost + extra, serial, after, step))
        return [self._reading(start, state, path, cost) for cost, state, path in found]

    def _reading(self, start: int, state: _State, path: _Path | None, cost: int) -> Reading:
        self.effort.spend(state.mail // _LINES_LOOKED_AT)
        counted = (state.old, state.new) == (self.hunk.old_count, self.hunk.new_count)
        return Reading(
            start=start,
            parts=path.parts(self.body) if path else (),
            cost=cost,
            counted=counted,
            rest=self.body[state.mail :],
            closed=counted and self._is_closed(state, path),
        )

    def _is_closed(self, state: _State, path: _Path | None) -> bool:
        """Return whether the lines of the last hunk are as they were, and the next is not its own.

        The tree has its last line as it is, and another one below it.
        """
        if not self.hunk.last or path is None or path.tree is None or state.mail == len(self.body):
            return False
        next_line = self.body[state.mail].text
        there = self.keys[state.tree : state.tree + 1]
        if next_line.startswith((" ", "\t")) or [self.words[state.mail]] == there:
            return False
        step: _Path | None = path
        while step is not None and step.pieces == 1 and step.kind is not LineKind.SKIPPED:
            step = step.before
        return step is None

    def _ending_cost(self, state: _State, path: _Path | None) -> int | None:
        """Return the cost of ending the hunk here; None if it cannot end here."""
        if not state.changed:
            return None
        if state.foreign and state.foreign == state.old:
            return None  # no line of the tree shows the place
        if self.end is not None:
            return 0 if state.mail == self.end else None
        if (state.old, state.new) == (self.hunk.old_count, self.hunk.new_count):
            self.effort.spend((len(self.body) - state.mail) // _LINES_LOOKED_AT)
            rest = self.body[state.mail :]
            left = left_over(rest, last=self.hunk.last)
            if left and self._is_closed(state, path):
                left = left_over(rest, last=True, closed=True)
            return _LEFT * len(left)
        # If the numbers are wrong, only the text after it can show where the hunk ends.
        follows = self.follows[state.mail]
        if follows is None or (self.hunk.last and footer_at(self.body, follows)):
            return _COUNT
        # Or an archive's page continues, after an empty line and without a change. If both
        # numbers count more, those lines are context that the tree does not have.
        half = state.old == self.hunk.old_count or state.new == self.hunk.new_count
        if half and self.hunk.last and state.mail >= self.unchanged:
            self.effort.spend((len(self.body) - state.mail) // _LINES_LOOKED_AT)
            if not left_over(self.body[state.mail :], last=True):
                return _COUNT + _BLANK
        return None

    def _steps(self, state: _State) -> Iterator[_Step]:
        """Yield every way to read the next line of the mail or of the tree."""
        body, at, tree = self.body, state.mail, state.tree
        here = self.keys[tree] if tree < len(self.keys) else None
        if self.end is not None:
            if at < self.end:
                yield from self._sound_steps(state, here)
            return
        if here == "" and state.old < self.hunk.old_count + _EATEN:
            yield _BLANK, LineKind.CONTEXT, 0
        if at >= len(body):
            return
        text, word = body[at].text, self.words[at]
        if not word:
            yield _BLANK, LineKind.SKIPPED, 1
        if at == 0 and word and self.spilled:
            yield _SPILLED, LineKind.SKIPPED, 1
        if says_no_end(text):
            yield 0, LineKind.SKIPPED, 1
            return
        if here is not None:
            said = self.said[at]
            if word == here:
                yield _OTHER * self.index.is_other(tree, said), LineKind.CONTEXT, 1
            if self.removed[at] == here:
                yield _OTHER * self.index.is_other(tree, said and said[1:]), LineKind.REMOVED, 1
            yield from self._joined_old(at, here)
        if text.startswith("+") and not body[at].outside:
            yield 0, LineKind.ADDED, 1
            counts = (self.hunk.old_count, self.hunk.new_count)
            yield from self._joined_added(at, ended=(state.old, state.new + 1) == counts)
        elif not text.startswith(("+", "-")) and word and self._may_be_foreign(state):
            yield _FUZZ, LineKind.FOREIGN, 1

    def _sound_steps(self, state: _State, here: str | None) -> Iterator[_Step]:
        """Yield the ways to read the next line of a hunk whose markers are right."""
        at = state.mail
        sign = self.body[at].text[:1]
        if sign == "+":
            yield 0, LineKind.ADDED, 1
        elif sign == "\\":
            yield 0, LineKind.SKIPPED, 1
        else:
            kind = LineKind.REMOVED if sign == "-" else LineKind.CONTEXT
            word = self.removed[at] if sign == "-" else self.words[at]
            said = self.said[at]
            if word == here:
                said = said[1:] if said and sign == "-" else said
                yield _OTHER * self.index.is_other(state.tree, said), kind, 1
            if sign != "-" and self._may_be_foreign(state):
                yield _FUZZ, LineKind.FOREIGN, 1

    def _may_be_foreign(self, state: _State) -> bool:
        """Return whether fuzz allows that the tree does not have the next line.

        Only at either end, as in GNU patch: before any change, or up to the hunk's end.
        """
        if state.foreign >= self.fuzz:
            return False
        left = self.hunk.old_count - state.old
        return left <= self.fuzz if state.changed else state.old < self.fuzz

    def _joined_old(self, at: int, here: str) -> Iterator[_Step]:
        """Yield the readings of several lines of the mail as one old line."""
        for kind, first in (
            (LineKind.CONTEXT, self.words[at]),
            (LineKind.REMOVED, self.removed[at]),
        ):
            if not first or first == here or not here.startswith(first):
                continue
            joined = first
            for pieces in range(2, min(_JOINED, len(self.body) - at) + 1):
                joined += self.words[at + pieces - 1]
                if not here.startswith(joined):
                    break
                if joined == here:
                    yield _WRAPPED * (pieces - 1), kind, pieces
                    break

    def _joined_added(self, at: int, *, ended: bool) -> Iterator[_Step]:
        """Yield the readings of several lines of the mail as one added line.

        `ended`: the hunk has all its lines with the first of these.
        """
        cost = 0
        for pieces in range(2, min(_JOINED, len(self.body) - at) + 1):
            before, rest = self.body[at + pieces - 2].text, self.body[at + pieces - 1].text
            marked = rest.startswith(("+", "-"))
            if self.body[at + pieces - 1].outside or not rest.strip():
                break
            if marked and not may_go_on(before, rest, self.width):
                break
            # It may be, unless the hunk has no old lines.
            context = self.hunk.old_count > 0 and (not self.marked or rest.startswith(" "))
            if not marked and context and (has_room(before, rest) or is_complete(before, rest)):
                break
            if not marked and ended and not may_be_wrapped(before, rest):
                break
            if rest.startswith("\\ "):
                break
            cost += _COUNT if marked else _WRAPPED
            yield cost, LineKind.ADDED, pieces


def _read(state: _State, kind: LineKind, pieces: int, path: _Path | None) -> tuple[_State, _Path]:
    """Return the state after `pieces` lines of the mail were read as one line."""
    mail, tree, old, new, changed, foreign = state
    in_tree = kind is LineKind.CONTEXT or kind is LineKind.REMOVED
    change = kind is LineKind.ADDED or kind is LineKind.REMOVED
    counts = kind is not LineKind.SKIPPED
    after = _State(
        mail=mail + pieces,
        tree=tree + in_tree,
        old=old + (counts and kind is not LineKind.ADDED),
        new=new + (counts and kind is not LineKind.REMOVED),
        changed=changed or change,
        foreign=foreign + (kind is LineKind.FOREIGN),
    )
    return after, _Path(kind, mail, pieces, tree if in_tree else None, path)
