"""Turn the diffs of one mail into changes that fit a tree, or report why that is impossible."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from memnotify.errors import InputError
from memnotify.mailpatch.align import LineKind, Part, Reading, find_readings
from memnotify.mailpatch.budget import Effort, TooMuchError
from memnotify.mailpatch.changes import CR, Change, LineEnd, OpenFile, pieces_of, rebuild
from memnotify.mailpatch.diffs import RawHunk, Text
from memnotify.mailpatch.escapes import Signs
from memnotify.mailpatch.footers import left_over
from memnotify.mailpatch.git_index import confirmed, is_stated
from memnotify.mailpatch.line_index import FileIndex, index_of
from memnotify.mailpatch.mail import Mail
from memnotify.mailpatch.paths import Opener, Reader
from memnotify.mailpatch.reindent import Laid, lay_out
from memnotify.mailpatch.repairs import Chooser, Question, Repair, RepairKind
from memnotify.mailpatch.thread import post_of
from memnotify.mailpatch.tokens import in_string, is_c, key, masked, tokens
from memnotify.mailpatch.truncation import Diffstat, counts_told, cut_hunk
from memnotify.mailpatch.whitespace import LOST, Damage, infer_damage
from memnotify.process import CommandLog

_CONTEXT = 3
_WRAPPED = 60  # columns; shorter lines are not wrapped
_INCOMPLETE = "get the whole mail; if it is whole, correct the header by hand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """The changes of a patch, its text as it was written, and the repairs."""

    text: Text
    changes: tuple[Change, ...]
    repairs: tuple[Repair, ...]


@dataclass(frozen=True, slots=True)
class _At:
    """The part that is being read: its line in the mail, and its name in messages."""

    line: int
    what: str


@dataclass(frozen=True, slots=True)
class _Added:
    """An added line: as in the mail, as laid out, and its line end."""

    part: Part
    text: str
    laid: Laid
    end: LineEnd


@dataclass
class Restorer:
    """Restores a mail against a tree."""

    mail: Mail
    read: Reader
    fuzz: int = 0
    choose: Chooser | None = None
    log: CommandLog | None = None
    effort: Effort = field(default_factory=Effort)
    repairs: list[Repair] = field(default_factory=list)
    _at: _At = field(init=False)

    def restore(self) -> Restored:
        """Return the changes of the mail. Raises InputError for the first open question."""
        opener = Opener(self.read, self.effort, self._error)
        signs = Signs(
            mail=self.mail,
            open_files=lambda text: opener.open(text.diffs),
            error=self._error,
            choose=self.choose,
        )
        self._at = _At(1, "the mail")
        try:
            text, decoded = signs.read()
            self.repairs += decoded
            for broken in post_of(self.mail, text).broken:
                raise self._error(broken.line, broken.message, _INCOMPLETE)
            return self._restore(text, opener)
        except TooMuchError:
            raise self._error(
                self._at.line,
                f"{self._at.what} is too ambiguous: it can be read in too many ways",
                "does it say the same over and over, or is it no patch?",
            ) from None

    def _restore(self, text: Text, opener: Opener) -> Restored:
        self._at = _At(text.diffs[0].line, "the mail's first diff")
        files = opener.open(text.diffs)
        lines = (line for d in text.diffs for hunk in d.hunks for line in hunk.body)
        width = max((len(line.text.rstrip()) for line in lines), default=0)
        stat = Diffstat.of(text.head)
        for file in files:
            self._read_hunks(file, width, stat, ends=file is files[-1])
        changes = self._finish(files)
        if text.quoted:
            self._repair(RepairKind.QUOTED)
        for line in text.wrapped:
            self._repair(RepairKind.HEADER, line=line + 1)
        for line in text.repeated:
            self._repair(RepairKind.REPEATED, line=line)
        return Restored(text=text, changes=tuple(changes), repairs=tuple(self.repairs))

    def _repair(
        self,
        kind: RepairKind,
        *,
        file: str = "",
        line: int | None = None,
        detail: str = "",
        sure: bool = True,
    ) -> None:
        self.repairs.append(Repair(kind=kind, file=file, line=line, detail=detail, sure=sure))

    def _error(self, line: int, message: str, hint: str | None = None) -> InputError:
        at = None if self.mail.first is None else self.mail.first + line - 1
        return InputError(message, file=self.mail.source, line=at, hint=hint)

    # --- hunks

    def _read_hunks(self, file: OpenFile, width: int, stat: Diffstat, *, ends: bool) -> None:
        index = index_of(file.old.lines)
        after, offset = 0, 0
        for number, hunk in enumerate(file.diff.hunks, 1):
            stated = max(hunk.old_start - (hunk.old_count > 0), 0)
            expected = [stated + offset, stated] if offset else [stated]
            what = f"hunk {number} of {len(file.diff.hunks)}"
            self._at = _At(hunk.line, f"{what} of {file.name}")
            find = functools.partial(
                find_readings, hunk, index, after=after, width=width, effort=self.effort
            )
            readings = _first(find, expected, range(self.fuzz + 1))
            last = ends and number == len(file.diff.hunks)
            if (last or readings) and not any(r.counted for r in readings):
                cut = cut_hunk(hunk, readings[0] if readings else None, followed=not last)
                if cut:
                    there = [line.number for line in hunk.body if line.text.strip()]
                    raise self._error(
                        max(there, default=hunk.line) if last else hunk.line,
                        f"the mail {'ends' if last else 'lacks lines'} in {what} of {file.name}: "
                        f"{cut}",
                        _INCOMPLETE,
                    )
            if not readings:
                more = range(self.fuzz + 1, _CONTEXT)
                fuzz = next((n for n in more if _first(find, expected, (n,))), None)
                raise self._unreadable(file, hunk, index, what, fuzz)
            reading = readings[0]
            if len(readings) > 1:
                reading = readings[self._ask(file, hunk, readings, what)]
            left = left_over(reading.rest, last=hunk.last)
            if left:
                raise self._error(
                    left[0].number,
                    f"unexpected line after {what} of {file.name}: {left[0].text[:60]!r}",
                    "the hunk header counts fewer lines; has the mail lost a line?",
                )
            self._note(file, hunk, reading, stated)
            offset = reading.start - stated - reading.left_out
            after = max((p.tree + 1 for p in reading.parts if p.tree is not None), default=after)
            file.readings.append((hunk, reading))
        told, disputed = counts_told(file.readings, stat.lines_of(file.name))
        if disputed:
            self._repair(RepairKind.DISPUTED, file=file.name, sure=False)
        for at, ((hunk, reading), right) in enumerate(zip(file.readings, told, strict=True)):
            if not reading.counted:
                if right is False:
                    what = f"hunk {at + 1} of {len(file.readings)} of {file.name}"
                    raise self._error(
                        hunk.line,
                        f"the mail has not the lines that the header of {what} counts, and the "
                        "next hunk or the diffstat agrees with that",
                        _INCOMPLETE,
                    )
                self._repair(
                    RepairKind.NUMBERS, file=file.name, line=hunk.line, sure=right is not None
                )

    def _ask(self, file: OpenFile, hunk: RawHunk, readings: Sequence[Reading], what: str) -> int:
        choices = tuple(self._shown(file, reading) for reading in readings)
        starts = {reading.start for reading in readings}
        if len(starts) > 1:
            places = ", ".join(str(start + 1) for start in sorted(starts))
            text = f"{what} fits {file.name} equally well at lines {places}"
        else:
            text = f"{what} of {file.name} can be read in {len(readings)} ways"
        if self.choose is None:
            raise self._error(hunk.line, text, "--interactive shows them and asks")
        self._repair(RepairKind.CHOSEN, file=file.name, line=hunk.line)
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
        if fuzz is not None:
            return self._error(
                hunk.line, f"{what} does not fit {file.name}", f"it would with --fuzz {fuzz}"
            )
        for line in hunk.body:
            bare = line.text[1:] if line.text.startswith("-") else line.text
            known = key(bare) in index.places or key(line.text) in index.places
            if key(bare) and not line.text.startswith("+") and not known:
                return self._error(
                    line.number,
                    f"{what} does not fit {file.name}, which has no line {bare.strip()[:60]!r}",
                    "is this the base that the patch is for?",
                )
        return self._error(
            hunk.line,
            f"{what} does not fit {file.name}: its lines are there, but not in this order",
            "is this the base that the patch is for?",
        )

    def _note(self, file: OpenFile, hunk: RawHunk, reading: Reading, stated: int) -> None:
        name = file.name
        for part in reading.parts:
            line = part.mail[0].number if part.mail else None
            if part.kind is LineKind.SKIPPED:
                if not part.mail[0].text.strip():
                    self._repair(RepairKind.EXTRA, file=name, line=line)
                elif not part.ends_file:
                    self._repair(RepairKind.HEADER, file=name, line=line)
            elif part.kind is LineKind.FOREIGN:
                self._repair(
                    RepairKind.FUZZ, file=name, line=line, sure=False, detail=part.text.strip()
                )
            elif not part.mail:
                self._repair(RepairKind.EATEN, file=name)
            elif len(part.mail) > 1:
                self._repair(
                    RepairKind.WRAPPED,
                    file=name,
                    line=line,
                    # A short line need not have been wrapped: the next one may be separate.
                    sure=part.kind is not LineKind.ADDED
                    or (is_c(name) and len(part.text.expandtabs()) >= _WRAPPED),
                )
            if part.tree is not None and part.mail:
                true = str(part.kind) + file.old.lines[part.tree]
                if len(part.mail) > 1 or part.mail[0].text != true:
                    self._repair(RepairKind.TREE, file=name, line=line)
        if reading.counted and reading.start - reading.left_out != stated:
            self._repair(
                RepairKind.MOVED,
                file=name,
                line=hunk.line,
                sure=True,
                detail=f"{reading.start - reading.left_out - stated:+} lines",
            )

    # --- added lines

    def _finish(self, files: Sequence[OpenFile]) -> list[Change]:
        added = [
            (file, part, self._unwrapped(file, part).removesuffix(CR))
            for file in files
            for part in file.added()
        ]
        foreign = any(file.has_foreign_ends() for file in files)
        ends = [end for file in files for end in file.line_ends(foreign=foreign)]
        witnesses = [witness for file in files for witness in file.witnesses()]
        damage = infer_damage(witnesses, [text for _, _, text in added])
        texts = iter([text for _, _, text in added])
        pieces = [piece for file in files for piece in pieces_of(file, texts)]
        laid = [
            line
            for piece in lay_out(pieces, damage, effort=self.effort, log=self.log)
            for line in piece
        ]
        rows = zip(added, laid, ends, strict=True)
        changes = []
        for file in files:
            own = [
                _Added(part, text, line, end)
                for (_, part, text), line, end in itertools.islice(rows, len(file.added()))
            ]
            changes.append(self._rebuilt(file, own, damage))
        return changes

    def _rebuilt(self, file: OpenFile, rows: Sequence[_Added], damage: Damage) -> Change:
        """Return the change of a file; use its `index` line if that states more than the mail."""
        known = None
        if is_stated(file):
            doubtful = [n for n, row in enumerate(rows) if row.laid.other is not None]
            sets = (doubtful, range(len(rows))) if damage.inner == LOST and is_c(file.name) else ()
            texts = [row.laid.text for row in rows]
            known = confirmed(file, texts, [row.end.text for row in rows], sets, self.effort)
            if known is None:
                self._repair(RepairKind.OTHER, file=file.name, sure=False)
        restored = []
        for at, row in enumerate(rows):
            number = row.part.mail[0].number
            decided = known[at] if known else self._decided(file, row.part, row.text, row.laid)
            restored.append(decided + row.end.text)
            if row.end.put_back:
                self._repair(RepairKind.ENDS, file=file.name, line=number, sure=row.end.sure)
            elif row.end.text and not row.end.sure:
                detail = "CR at the end of added lines"
                self._repair(
                    RepairKind.LEFT, file=file.name, line=number, detail=detail, sure=False
                )
            if known and decided != row.laid.text:
                self._repair(RepairKind.STRING, file=file.name, line=number)
            elif decided != row.text:
                sure = damage.lead != LOST
                self._repair(RepairKind.LAYOUT, file=file.name, line=number, sure=sure)
            for address in masked(row.text):
                self._repair(RepairKind.MASKED, file=file.name, line=number, detail=address)
        if known is not None:
            self.repairs = [
                repair.confirmed() if repair.file == file.name else repair
                for repair in self.repairs
            ]
        return rebuild(file, iter(restored), self.effort)

    def _decided(self, file: OpenFile, part: Part, text: str, laid: Laid) -> str:
        """Return an added line as laid out, if its text is that of the mail."""
        number = part.mail[0].number
        if laid.other is not None:
            # Two different strings would both look like this in the mail, and nothing decides
            # between them: not even the strings around it, whose blanks often align columns.
            question = Question(
                f"a string of {file.name} may have had more blanks, as those around it have",
                (laid.text, laid.other),
            )
            if self.choose is None:
                raise self._error(number, question.text, "--interactive shows both and asks")
            self._repair(RepairKind.CHOSEN, file=file.name, line=number)
            return question.choices[self.choose(question)]
        c = is_c(file.name)
        if tokens([text], c=c) != tokens([laid.text], c=c):
            raise self._error(
                number,
                f"would change what is said: {laid.text.strip()[:60]!r}",
                "this is a bug; please report it with the mail",
            )
        return laid.text

    def _unwrapped(self, file: OpenFile, part: Part) -> str:
        """Return an added line without its marker; ask if it was wrapped within a string."""
        if len(part.mail) == 1 or not is_c(file.name):
            return part.text
        first, *rest = part.mail
        joined = first.text[1:].rstrip()
        for line in rest:
            choices = (f"{joined} {line.text.strip()}", joined + line.text.strip())
            chosen = 0
            if in_string(joined):
                question = Question(
                    f"a string of {file.name} was wrapped: is there a blank where the line ends?",
                    choices,
                )
                if self.choose is None:
                    raise self._error(line.number, question.text, "--interactive shows both")
                self._repair(RepairKind.CHOSEN, file=file.name, line=line.number)
                chosen = self.choose(question)
            joined = choices[chosen]
        return joined


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
