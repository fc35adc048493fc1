"""Turn the diffs of one mail into changes that fit a tree, or report why that is impossible."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from memnotify.errors import InputError
from memnotify.mailpatch.account import Account, At
from memnotify.mailpatch.as_stated import makes_stated
from memnotify.mailpatch.budget import Effort, TooMuchError
from memnotify.mailpatch.changes import CR, Change, LineEnd, OpenFile, pieces_of, rebuild
from memnotify.mailpatch.escapes import Signs
from memnotify.mailpatch.evidence import lost_indentation, may_be_expanded
from memnotify.mailpatch.git_index import confirmed, is_stated
from memnotify.mailpatch.hunks import INCOMPLETE, HunkReader
from memnotify.mailpatch.mail import Mail
from memnotify.mailpatch.misfit import remedy
from memnotify.mailpatch.paths import Opener, Reader
from memnotify.mailpatch.post import post_of
from memnotify.mailpatch.raw import Text
from memnotify.mailpatch.reading import Part
from memnotify.mailpatch.reindent import Laid, lay_out
from memnotify.mailpatch.repairs import Chooser, Question, Repair, RepairKind
from memnotify.mailpatch.standing import above_a_message, is_whole
from memnotify.mailpatch.tokens import in_string, is_c, masked, tokens
from memnotify.mailpatch.truncation import Diffstat
from memnotify.mailpatch.whitespace import KEPT, LOST, Damage, infer_damage
from memnotify.process import CommandLog
from memnotify.text import counted

_EIGHT_BLANKS = "blanks at the beginning of lines of code"
_ONE_BLANK = "one blank between sentences in strings, where there may have been two"
_SENTENCES = re.compile(r'"(?:\\.|[^"\\])*[.!?] (?:\\.|[^"\\ ])')
_FOREIGN = "binary files that differ, of which the mail has no more"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """The changes of a patch, its text as it was written, and the repairs."""

    text: Text
    changes: tuple[Change, ...]
    repairs: tuple[Repair, ...]


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
    probing: bool = False  # whether it can be restored is all that is asked

    def __post_init__(self) -> None:
        self.account = Account(self.mail)
        self._sound = False

    def restore(self) -> Restored:
        """Return the changes of the mail. Raises InputError for the first open question."""
        opener = Opener(self.read, self.effort, self.account.error)
        signs = Signs(
            mail=self.mail,
            open_files=lambda text: opener.open(text.diffs),
            proven=lambda files: makes_stated(files, self.effort),
            error=self.account.error,
            choose=self.choose,
        )
        try:
            text, decoded = signs.read()
            self.account.repairs += decoded
            for broken in post_of(self.mail, text).broken:
                raise self.account.error(broken.line, broken.message, broken.hint or INCOMPLETE)
            return self._restore(text, opener)
        except TooMuchError:
            raise self.account.error(
                self.account.at.line,
                f"{self.account.at.what} is too ambiguous: it can be read in too many ways",
                "an undamaged copy of the mail can be read in one",
            ) from None

    def _restore(self, text: Text, opener: Opener) -> Restored:
        self.account.at = At(text.diffs[0].line, "the mail's first diff")
        shown = above_a_message(text.diffs)
        if shown is not None:
            raise self.account.error(
                shown,
                "a diff above the --- that ends a message, and another below it",
                "give the patch without the diff that its message shows, or two patches as two "
                "files",
            )
        files = opener.open(text.diffs)
        lines = (line for d in text.diffs for hunk in d.hunks for line in hunk.body)
        width = max((len(line.text.rstrip()) for line in lines), default=0)
        self._sound = not text.wrapped and all(is_whole(diff, width) for diff in text.diffs)
        reader = HunkReader(
            account=self.account,
            fuzz=self.fuzz,
            choose=self.choose,
            effort=self.effort,
            width=width,
            sound=self._sound,
            stat=Diffstat.of(text.head),
            would=self._would,
        )
        for file in files:
            reader.read(file, ends=file is files[-1])
        changes = self._finish(files)
        if text.quoted:
            self.account.repair(RepairKind.QUOTED)
        for line in text.wrapped:
            self.account.repair(RepairKind.HEADER, line=line + 1)
        for line in text.repeated:
            self.account.repair(RepairKind.REPEATED, line=line)
        for line in text.binary:
            self.account.repair(RepairKind.LEFT, line=line, detail=_FOREIGN, sure=False)
        return Restored(text=text, changes=tuple(changes), repairs=tuple(self.account.repairs))

    def _would(self, fuzz: int) -> bool:
        """Return whether the whole mail can be restored with more fuzz."""
        if self.probing:
            return False
        effort = Effort(self.effort.left)
        try:
            Restorer(
                self.mail, self.read, fuzz=fuzz, log=self.log, effort=effort, probing=True
            ).restore()
        except InputError:
            return False
        return True

    def _finish(self, files: Sequence[OpenFile]) -> list[Change]:
        added = [
            (file, part, self._unwrapped(file, part).removesuffix(CR))
            for file in files
            for part in file.added()
        ]
        foreign = any(file.has_foreign_ends() for file in files)
        ends = [end for file in files for end in file.line_ends(foreign=foreign)]
        witnesses = [witness for file in files for witness in file.witnesses()]
        damage = infer_damage(
            witnesses, [text for _, _, text in added], sound=self._sound and not _has_lost(added)
        )
        self._doubt_context(files, sound=self._sound and damage == Damage(KEPT, KEPT))
        self._doubt_blanks(added, damage)
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

    def _doubt_context(self, files: Sequence[OpenFile], *, sound: bool) -> None:
        """Doubt old lines that the tree has with other white space, where the mail's is sound.

        Neither git nor GNU patch takes such a hunk. Blanks at the end of lines get lost easily.
        Where a mail is not sound, it has still no tabs that its sender did not write.
        """
        other = {
            part.mail[0].number
            for file in files
            for _, reading in file.readings
            for part in reading.parts
            if part.tree is not None and len(part.mail) == 1
            for own, its in ((part.mail[0].text[1:], file.old.lines[part.tree]),)
            if own.rstrip() != its.rstrip() and own.split() == its.split()
            if sound or own.rstrip().count("\t") > its.rstrip().count("\t")
        }
        self.account.repairs = [
            dataclasses.replace(repair, sure=False)
            if repair.kind is RepairKind.TREE and repair.line in other
            else repair
            for repair in self.account.repairs
        ]

    def _doubt_blanks(self, added: Sequence[tuple[OpenFile, Part, str]], damage: Damage) -> None:
        """Report code of new files that is indented with blanks: a tree would show what it was."""
        for name, lines in _by_file(added).items():
            if damage.lead == KEPT and may_be_expanded(name, lines):
                self.account.repair(RepairKind.LEFT, file=name, detail=_EIGHT_BLANKS, sure=False)

    def _rebuilt(self, file: OpenFile, rows: Sequence[_Added], damage: Damage) -> Change:
        """Return the change of a file; use its `index` line if that states more than the mail."""
        known = None
        if is_stated(file):
            doubtful = [n for n, row in enumerate(rows) if row.laid.other is not None]
            sets = (doubtful, range(len(rows))) if damage.inner == LOST and is_c(file.name) else ()
            texts = [row.laid.text for row in rows]
            ends = [row.end.text for row in rows]
            known = confirmed(file, [row.text for row in rows], ends, (), self.effort)
            if known is None:
                known = confirmed(file, texts, ends, sets, self.effort)
            if known is None:
                self.account.repair(RepairKind.OTHER, file=file.name, sure=False)
        restored = []
        for at, row in enumerate(rows):
            number = row.part.mail[0].number
            decided = known[at] if known else self._decided(file, row.part, row.text, row.laid)
            restored.append(decided + row.end.text)
            if row.end.put_back:
                self.account.repair(RepairKind.ENDS, file=file.name, line=number, sure=row.end.sure)
            elif row.end.text and not row.end.sure:
                detail = "CR at the end of added lines"
                self.account.repair(
                    RepairKind.LEFT, file=file.name, line=number, detail=detail, sure=False
                )
            if known and decided not in (row.laid.text, row.text):
                self.account.repair(RepairKind.STRING, file=file.name, line=number)
            elif decided != row.text:
                sure = damage.lead != LOST
                self.account.repair(RepairKind.LAYOUT, file=file.name, line=number, sure=sure)
            collapsed = known is None and damage.inner == LOST and is_c(file.name)
            if collapsed and _SENTENCES.search(row.text):
                self.account.repair(
                    RepairKind.LEFT, file=file.name, line=number, detail=_ONE_BLANK, sure=False
                )
            for address in masked(row.text):
                self.account.repair(RepairKind.MASKED, file=file.name, line=number, detail=address)
        if known is not None:
            self.account.repairs = [
                repair.confirmed() if repair.file == file.name else repair
                for repair in self.account.repairs
            ]
        change = rebuild(file, iter(restored), self.effort)
        if change.after is None and change.new.lines:
            self._leaves(file, change)
        modes = any(" mode " in line for line in change.extended)
        if (
            change.hunks
            and change.before == change.after
            and change.new == change.old
            and not modes
        ):
            raise self.account.error(
                file.diff.line,
                f"changes nothing in {file.name}: the lines that it adds are those that it removes",
                "does the tree have the patch, or has the mail lost its white space?",
            )
        return change

    def _leaves(self, file: OpenFile, change: Change) -> None:
        """Raise InputError for a file that is deleted, although it has more than is removed."""
        if not change.hunks:
            raise self.account.error(
                file.diff.line,
                f"deletes {file.name} without showing its lines",
                "git format-patch -D leaves them out, and no program can apply that; make it "
                "without -D",
            )
        raise self.account.error(
            file.diff.line,
            f"deletes {file.name}, which has {counted(len(change.new.lines), 'line')} in the tree "
            "that the patch does not remove",
            remedy(file),
        )

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
                raise self.account.error(number, question.text, "--interactive shows both and asks")
            self.account.repair(RepairKind.CHOSEN, file=file.name, line=number)
            return question.choices[self.choose(question)]
        c = is_c(file.name)
        if tokens([text], c=c) != tokens([laid.text], c=c):
            raise self.account.error(
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
                    raise self.account.error(line.number, question.text, "--interactive shows both")
                self.account.repair(RepairKind.CHOSEN, file=file.name, line=line.number)
                chosen = self.choose(question)
            joined = choices[chosen]
        return joined


def _by_file(added: Iterable[tuple[OpenFile, Part, str]]) -> dict[str, list[str]]:
    """Return the added lines of each file."""
    found: dict[str, list[str]] = {}
    for file, _, text in added:
        found.setdefault(file.name, []).append(text)
    return found


def _has_lost(added: Iterable[tuple[OpenFile, Part, str]]) -> bool:
    return any(lost_indentation(name, lines) for name, lines in _by_file(added).items())
