"""Read the hunks of a mail against the files of a tree."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from memnotify.errors import InputError
from memnotify.mailpatch.account import Account, At
from memnotify.mailpatch.align import MailedHunk, find_readings
from memnotify.mailpatch.applied import Backward, HunkInTree
from memnotify.mailpatch.budget import Effort
from memnotify.mailpatch.changes import CONTEXT, OpenFile
from memnotify.mailpatch.footers import left_over
from memnotify.mailpatch.git_index import is_base, is_result
from memnotify.mailpatch.line_index import FileIndex, index_of
from memnotify.mailpatch.misfit import misfit, remedy, shown
from memnotify.mailpatch.raw import RawHunk
from memnotify.mailpatch.reading import LineKind, Reading
from memnotify.mailpatch.repairs import Chooser, Question, RepairKind
from memnotify.mailpatch.standing import end_of, ends_clearly, standing
from memnotify.mailpatch.tokens import is_c, key
from memnotify.mailpatch.truncation import (
    Diffstat,
    counts_told,
    cut_hunk,
    lines_lacking,
    tallies,
)
from memnotify.mailpatch.wrapping import ends_section

_LINES_READ = 8  # as they stand, in the time of a step
_WRAPPED = 60  # columns; shorter lines are not wrapped
INCOMPLETE = "get the whole mail; if it is whole, correct the header by hand"


@dataclass(frozen=True, kw_only=True)
class HunkReader:
    """Reads the hunks of a mail, whose longest line has `width` columns.

    `sound`: no line of a hunk is wrapped, lost or added. `stat` is the mail's diffstat.
    """

    account: Account
    fuzz: int
    choose: Chooser | None
    effort: Effort
    width: int
    sound: bool
    stat: Diffstat
    would: Callable[[int], bool]  # whether the whole mail can be restored with more fuzz

    def read(self, file: OpenFile, *, ends: bool) -> None:
        index = index_of(file.old.lines)
        after, offset = 0, 0
        if file.diff.hunks and is_result(file):
            raise self.account.error(
                file.diff.line,
                f"{file.name} is already the file that the patch makes, by git's index line",
                "give a tree without the patch",
            )
        for number, hunk in enumerate(file.diff.hunks, 1):
            stated = max(hunk.old_start - (hunk.old_count > 0), 0)
            expected = [stated + offset, stated] if offset else [stated]
            what = f"hunk {number} of {len(file.diff.hunks)}"
            self.account.at = At(hunk.line, f"{what} of {file.name}")
            known = self.sound or ends_clearly(hunk)
            find = functools.partial(
                find_readings,
                MailedHunk(hunk=hunk, width=self.width, end=end_of(hunk) if known else None),
                index,
                after=after,
                effort=self.effort,
            )
            readings = self._standing(hunk, index, expected, after)
            hunk_in_tree = HunkInTree(
                hunk=hunk, file=file, index=index, width=self.width, effort=self.effort
            )
            if readings and (
                _has_white_space(file, readings[0]) or hunk_in_tree.stands_in_reverse()
            ):
                raise self._applied(file, hunk, what)
            if not readings:
                readings = _first(find, expected, (0,))
                back = hunk_in_tree.backward(readings)
                if back is Backward.APPLIED:
                    raise self._applied(file, hunk, what)
                if back is Backward.UNCLEAR:
                    raise self.account.error(
                        hunk.line,
                        f"{what} changes only white space, and {file.name} has neither the old nor "
                        "the new as it is in the mail",
                        "get an undamaged copy of the mail",
                    )
                if back is Backward.LACKS:
                    raise self._lacks(file, hunk.line, what, lines_lacking(hunk) or "")
            readings = readings or _first(find, expected, range(1, self.fuzz + 1))
            spilled = ends_section(hunk, index.keys)
            if tallies(hunk, spilled=spilled):
                readings = [r for r in readings if r.counted and r.is_plain(spilled=spilled)]
            last = ends and number == len(file.diff.hunks)
            whole = end_of(hunk) is not None
            if (last or readings) and not whole and not any(r.counted for r in readings):
                cut_short = functools.partial(cut_hunk, hunk, followed=not last)
                cut = cut_short(readings[0] if readings else None)
                if readings and cut and cut_short(None) is None:
                    # The mail has these lines: the others are right, or the tree has them not.
                    readings = [reading for reading in readings if not cut_short(reading)]
                elif cut:
                    there = [line.number for line in hunk.body if line.text.strip()]
                    at = max(there, default=hunk.line) if last else hunk.line
                    raise self._lacks(file, at, what, cut, ends=last)
            if not readings:
                # Fuzz is for a tree that differs, and not for a patch that was damaged.
                more = () if is_base(file) else range(self.fuzz + 1, CONTEXT)
                fuzz = next((n for n in more if _first(find, expected, (n,))), None)
                if fuzz is not None:
                    fuzz = next((n for n in range(fuzz, CONTEXT) if self.would(n)), None)
                above = find(expected=stated, after=0) if fuzz is None and after else []
                if above and above[0].counted and above[0].start < after:
                    raise self.account.error(
                        hunk.line,
                        f"{what} fits {file.name} only at line {above[0].start + 1}, above the "
                        "hunk before it",
                        remedy(file),
                    )
                raise self._unreadable(file, hunk, index, what, fuzz)
            reading = readings[0]
            lacking = None if reading.counted or len(readings) == 1 else lines_lacking(hunk)
            if lacking:
                raise self._lacks(file, hunk.line, what, lacking)
            if len(readings) > 1:
                reading = readings[self._ask(file, hunk, readings, what)]
            ended = reading.stands and hunk.last
            left = () if ended else left_over(reading.rest, last=hunk.last, closed=reading.closed)
            if left:
                raise self.account.error(
                    left[0].number,
                    f"unexpected line after {what} of {file.name}: {left[0].text[:60]!r}",
                    "the hunk header counts fewer lines; has the mail lost a line?",
                )
            self._note(file, hunk, reading, stated)
            offset = reading.start - stated - reading.left_out
            after = max((p.tree + 1 for p in reading.parts if p.tree is not None), default=after)
            file.readings.append((hunk, reading))
        told, disputed = counts_told(file.readings, self.stat.lines_of(file.name))
        if disputed:
            self.account.repair(RepairKind.DISPUTED, file=file.name, sure=False)
        for at, ((hunk, reading), right) in enumerate(zip(file.readings, told, strict=True)):
            if not reading.counted:
                if right is False:
                    what = f"hunk {at + 1} of {len(file.readings)} of {file.name}"
                    raise self.account.error(
                        hunk.line,
                        f"the mail has not the lines that the header of {what} counts, and the "
                        "next hunk or the diffstat agrees with that",
                        INCOMPLETE,
                    )
                self.account.repair(
                    RepairKind.NUMBERS, file=file.name, line=hunk.line, sure=right is not None
                )

    def _standing(
        self, hunk: RawHunk, index: FileIndex, expected: Sequence[int], after: int
    ) -> list[Reading]:
        """Return the reading of a hunk as it stands at one of the places; [] if there is none."""
        for place in expected:
            reading = standing(hunk, index, start=place, after=after, width=self.width)
            self.effort.spend(1 + len(hunk.body) // _LINES_READ)
            if reading is not None:
                return [reading]
        return []

    def _ask(self, file: OpenFile, hunk: RawHunk, readings: Sequence[Reading], what: str) -> int:
        choices = tuple(self._shown(file, reading) for reading in readings)
        starts = {reading.start for reading in readings}
        if len(starts) > 1:
            places = ", ".join(str(start + 1) for start in sorted(starts))
            text = f"{what} fits {file.name} equally well at lines {places}"
        else:
            text = f"{what} of {file.name} can be read in {len(readings)} ways"
        if self.choose is None:
            raise self.account.error(hunk.line, text, "--interactive shows them and asks")
        self.account.repair(RepairKind.CHOSEN, file=file.name, line=hunk.line)
        return self.choose(Question(text, choices))

    def _shown(self, file: OpenFile, reading: Reading) -> str:
        lines = [f"{file.name}:{reading.start + 1}:"]
        for part in reading.parts:
            if part.kind is LineKind.ADDED:
                lines.append(f"+{part.text}")
            elif part.tree is not None:
                lines.append(f"{part.kind}{file.old.lines[part.tree]}")
        return "\n".join(lines)

    def _unreadable(
        self, file: OpenFile, hunk: RawHunk, index: FileIndex, what: str, fuzz: int | None
    ) -> InputError:
        line, apart = misfit(hunk, index, self.width)
        hint = remedy(file)
        if fuzz is not None:
            hint = f"it would with --fuzz {fuzz}"
            # That is about lines of context, as far as they can be told from others.
            line, apart = (line if end_of(hunk) is None else None), False
        where, why = hunk.line, ""
        if line is not None:
            where, why = line.number, f", which has no line {shown(line)[:60]!r}"
        elif apart:
            why = ": its lines are there, but not together in this order"
        return self.account.error(
            where,
            f"{what} does not fit {file.name}{why}",
            hint,
        )

    def _lacks(
        self, file: OpenFile, line: int, what: str, lacking: str, *, ends: bool = False
    ) -> InputError:
        said = "ends" if ends else "lacks lines"
        return self.account.error(
            line, f"the mail {said} in {what} of {file.name}: {lacking}", INCOMPLETE
        )

    def _applied(self, file: OpenFile, hunk: RawHunk, what: str) -> InputError:
        return self.account.error(
            hunk.line,
            f"{what} is in {file.name} already: it applies in reverse",
            "give a tree without the patch",
        )

    def _note(self, file: OpenFile, hunk: RawHunk, reading: Reading, stated: int) -> None:
        name = file.name
        for part in reading.parts:
            line = part.mail[0].number if part.mail else None
            if part.kind is LineKind.SKIPPED:
                if not part.mail[0].text.strip():
                    self.account.repair(RepairKind.EXTRA, file=name, line=line)
                elif not part.ends_file:
                    self.account.repair(RepairKind.HEADER, file=name, line=line)
            elif part.kind is LineKind.FOREIGN:
                self.account.repair(
                    RepairKind.FUZZ, file=name, line=line, sure=False, detail=part.text.strip()
                )
            elif not part.mail:
                self.account.repair(RepairKind.EATEN, file=name)
            elif len(part.mail) > 1:
                self.account.repair(
                    RepairKind.WRAPPED,
                    file=name,
                    line=line,
                    # A short line need not have been wrapped: the next one may be separate.
                    # So may the one below a hunk that has all its lines without it.
                    sure=part.kind is not LineKind.ADDED
                    or (
                        (is_c(name) and len(part.text.expandtabs()) >= _WRAPPED)
                        and part is not reading.parts[-1]
                    ),
                )
            if part.tree is not None and part.mail:
                true = str(part.kind) + file.old.lines[part.tree]
                if len(part.mail) > 1 or part.mail[0].text != true:
                    self.account.repair(RepairKind.TREE, file=name, line=line)
        if _is_off_edge(reading, hunk, len(file.old.lines)):
            self.account.repair(RepairKind.EDGE, file=name, line=hunk.line, sure=False)
        if reading.counted and reading.start - reading.left_out != stated:
            self.account.repair(
                RepairKind.MOVED,
                file=name,
                line=hunk.line,
                sure=True,
                detail=f"{reading.start - reading.left_out - stated:+} lines",
            )


def _is_off_edge(reading: Reading, hunk: RawHunk, size: int) -> bool:
    """Return whether neither git nor GNU patch takes a hunk where it was found.

    Without context below its changes it is for the end of the file, if it has context above them.
    At line 1, with less context above than below, it is for the beginning.
    """
    kinds = [part.kind for part in reading.parts if part.kind is not LineKind.SKIPPED]
    same = [kind in (LineKind.CONTEXT, LineKind.FOREIGN) for kind in kinds]
    if all(same):
        return False
    above, below = same.index(False), same[::-1].index(False)
    last = max((p.tree for p in reading.parts if p.tree is not None), default=-1)
    if above and not below:
        return last + 1 < size
    return above < below and hunk.old_start <= 1 and reading.start > 0


def _has_white_space(file: OpenFile, reading: Reading) -> bool:
    """Return whether a hunk changes white space only, and the file has its new lines already."""
    gone = [p for p in reading.parts if p.kind is LineKind.REMOVED and p.tree is not None]
    added = [p.mail[0].text[1:] for p in reading.parts if p.kind is LineKind.ADDED]
    removed = [p.mail[0].text[1:] for p in gone]
    if removed == added or list(map(key, removed)) != list(map(key, added)):
        return False
    there = [file.old.lines[p.tree or 0] for p in gone]
    return there == added and there != removed


def _first(
    find: Callable[..., list[Reading]], expected: Sequence[int], fuzzes: Iterable[int]
) -> list[Reading]:
    """Return the readings with the least fuzz, preferably of a place that has only one."""
    for fuzz in fuzzes:
        tried = [find(expected=place, fuzz=fuzz) for place in expected]
        alone = next((readings for readings in tried if len(readings) == 1), None)
        if alone or any(tried):
            return alone or next(readings for readings in tried if readings)
    return []
