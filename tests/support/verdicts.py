"""Import one mail on one tree, and say whether the result is right.

What "wrong" means is stated in `Verdict`, and docs/howto/testing.md has it in words.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_tz
from enum import StrEnum
from pathlib import Path

from memnotify.errors import InputError
from memnotify.mailpatch.mail import Mail, mails_of
from memnotify.mailpatch.repairs import Repair, RepairKind
from memnotify.mailpatch.restore_series import Imported, import_mails
from memnotify.mailpatch.tokens import is_c, tokens
from memnotify.series.apply import FileState

from tests.support.history import (
    Files,
    Letter,
    Original,
    Reader,
    UnusableError,
    git_apply,
    mailinfo,
)
from tests.support.mail_forms import Made
from tests.support.reasons import Refusal, Truth, check, shape

Importer = Callable[[Sequence[Mail], Reader, int], Imported]
"""Restores the one patch of some mails on a tree, with fuzz."""


class Tree(StrEnum):
    """The trees that every mail is imported on."""

    PARENT = "parent"
    COMMIT = "commit"
    FAR = "unrelated"


class Verdict(StrEnum):
    """What an import is worth. The last four are failures of the importer."""

    BYTES = "the bytes of git apply"
    TOKENS = "the same text, other white space"
    DOUBTED = "other text, and said to be [likely]"
    REFUSED = "refused, for a true reason"
    APPLIED = "refused: the tree has it already"
    UNCHECKED = "refused, for a reason without a check"
    FALSE = "refused, for a reason that is not true"
    SOUND = "refused, although git apply takes the mail as it is"
    TWICE = "WRONG: taken although the tree has it"
    WRONG = "WRONG"

    @property
    def failed(self) -> bool:
        return self in (Verdict.FALSE, Verdict.SOUND, Verdict.TWICE, Verdict.WRONG)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict, and what shows it: the shape of a reason, or what differs."""

    verdict: Verdict
    detail: str = ""


# These say that text may differ from the original. Doubt of white space is none of text.
DOUBTS = (
    *(RepairKind.UNSURE, RepairKind.OTHER, RepairKind.NUMBERS, RepairKind.DISPUTED),
    RepairKind.DECODED,
)
_STRING = re.compile(r'"(?:\\.|[^"\\])*"')


def importer(mails: Sequence[Mail], read: Reader, fuzz: int) -> Imported:
    """Import mails as `memnotify series import` does."""
    series = import_mails(mails, read, fuzz=fuzz)
    patches = series.patches
    if len(patches) != 1 or not isinstance(patches[0], Imported):
        raise AssertionError(f"{len(patches)} patches of one mail")
    # A doubt about the mail is a doubt about the patch.
    said = [what for what in series.said if "for which it has no diff" in what]
    doubts = [Repair(kind=RepairKind.DISPUTED, detail=what, sure=False) for what in said]
    return dataclasses.replace(patches[0], repairs=(*patches[0].repairs, *doubts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A mail, the tree to import it on, and what git apply makes of the clean patch there.

    `wanted` is None if git refuses the patch. `before` has the files of the tree that it touches.
    """

    made: Made
    original: Original
    tree: Tree
    read: Reader
    before: Files
    wanted: Files | None

    def judge(self, imports: Importer = importer) -> Judgement:
        """Import the mail, and judge the result, or the reason."""
        try:
            patch = self._import(imports, 0)
        except InputError as error:
            return self._refused(error, imports)
        except Exception as error:
            return Judgement(verdict=Verdict.WRONG, detail=f"{type(error).__name__}: {error}")
        if self.tree is Tree.COMMIT:
            return Judgement(verdict=Verdict.TWICE, detail=", ".join(map(str, _kinds(patch))))
        differing = list(self._differing(patch))
        if not differing:
            return Judgement(verdict=Verdict.BYTES)
        doubt = [str(repair.kind) for repair in patch.repairs if not repair.sure]
        texts = [what for what, text in differing if text]
        if not texts and not self.made.sound:
            return Judgement(verdict=Verdict.TOKENS)
        doubted = any(
            (r.kind in DOUBTS or "in strings" in r.detail) and not r.sure for r in patch.repairs
        )
        detail = "; ".join(what for what, _ in differing) + f" {sorted(set(doubt))}"
        return Judgement(verdict=Verdict.DOUBTED if doubted else Verdict.WRONG, detail=detail)

    def _import(self, imports: Importer, fuzz: int) -> Imported:
        return imports(mails_of(self.made.data, Path("mail")), self.read, fuzz)

    def _refused(self, error: InputError, imports: Importer) -> Judgement:
        def again(fuzz: int) -> bool:
            try:
                self._import(imports, fuzz)
            except InputError:
                return False
            return True

        fits = self.wanted is not None
        truth = check(
            Refusal(
                text=str(error),
                made=self.made,
                original=self.original,
                read=self.read,
                fits=fits,
                again=again,
            )
        )
        verdict = {
            Truth.TRUE: Verdict.REFUSED,
            Truth.APPLIED: Verdict.APPLIED,
            Truth.UNCHECKED: Verdict.UNCHECKED,
            Truth.FALSE: Verdict.FALSE,
        }[truth]
        if self.tree is Tree.PARENT and self.made.sound:
            verdict = Verdict.SOUND
        detail = str(error) if verdict.failed else shape(str(error))
        return Judgement(verdict=verdict, detail=detail)

    def _differing(self, patch: Imported) -> Iterator[tuple[str, bool]]:
        """Yield what differs from what git makes of the clean patch, and whether it is text."""
        names = {name for c in patch.changes for name in (c.before, c.after) if name}
        before = {**{name: self.read(name) for name in names}, **self.before}
        made = git_apply(patch.data, before)
        if made is None:
            yield "git apply does not take the result", True
            return
        if self.wanted is None:
            # Context that differs in white space only fits for the importer, and not for git.
            yield from self._without_git(patch, made)
        else:
            for name in sorted({*made, *self.wanted}):
                yield from self._file(name, made.get(name), self.wanted.get(name))
        try:
            letter = mailinfo(patch.data)
        except UnusableError as error:
            yield str(error), True
            return
        wanted = self.original.letter
        if self.has("stale_diffstat"):
            # A message may have a diffstat of its own.
            letter, wanted = (
                dataclasses.replace(one, message=tuple(re.sub(r"\d", "", m) for m in one.message))
                for one in (letter, wanted)
            )
        yield from differing_letters(letter, wanted, masked=self.has("masked"))

    def _without_git(self, patch: Imported, made: Files) -> Iterator[tuple[str, bool]]:
        """Judge a result in a tree for which git refuses the patch."""
        if self.made.sound and all(repair.sure for repair in patch.repairs):
            yield "git apply refuses this patch here", True
        rows = {mark: _words(_changed(self.original.diff, mark)) for mark in "+-"}
        got = {mark: _words(_changed(patch.data, mark)) for mark in "+-"}
        if not self.has("masked") and rows != got:
            yield "other lines are added or removed", True

    def has(self, damage: str) -> bool:
        return damage in self.made.damages

    def _file(
        self, name: str, got: FileState | None, wanted: FileState | None
    ) -> Iterator[tuple[str, bool]]:
        if got is None or wanted is None:
            if got != wanted:
                yield f"{name} {'is' if got else 'is not'} there", True
            return
        if (got.mode ^ wanted.mode) & 0o100 and not self.has("header_style"):
            yield f"mode of {name}", True
        if got.data == wanted.data:
            return
        ours, theirs = (data.decode("utf-8", "surrogateescape") for data in (got.data, wanted.data))
        yield f"{name}: {_first(ours, theirs)}", not self._same_text(name, ours, theirs)

    def _same_text(self, name: str, ours: str, theirs: str) -> bool:
        if self.has("masked"):
            ours, theirs = _without_addresses(ours), _without_addresses(theirs)
        one, other = (tokens(text.split("\n"), c=is_c(name)) for text in (ours, theirs))
        return one == other


def differing_letters(ours: Letter, wanted: Letter, *, masked: bool) -> Iterator[tuple[str, bool]]:
    """Yield what differs in the author, the date, the title and the message, and whether in words.

    `masked`: an archive has masked addresses, which stay so.
    """
    for what, own, other in (
        ("author", ours.author, wanted.author),
        ("date", ours.date, wanted.date),
        ("title", ours.title, wanted.title),
        ("message", " ".join(ours.message), " ".join(wanted.message)),
    ):
        if masked:
            own, other = _without_addresses(own), _without_addresses(other)
        if what == "date":
            own, other = _moment(own), _moment(other)
        if own != other:
            yield f"{what}: {_first(own, other)}", own.split() != other.split()


def _moment(date: str) -> str:
    """Return a date in one form: git log and mails differ, and git am reads both."""
    parsed = parsedate_tz(date)
    return date if parsed is None else str((*parsed[:6], parsed[9]))


def _kinds(patch: Imported) -> list[RepairKind]:
    return sorted({repair.kind for repair in patch.repairs})


def _changed(diff: bytes, mark: str) -> list[str]:
    """Return the added or the removed lines of a diff."""
    text = diff.decode("utf-8", "surrogateescape")
    begin = text.find("\n@@ ")
    lines = text[begin:].split("\n")
    return [
        line[1:]
        for line in lines
        if line.startswith(mark) and not line.startswith(("+++ ", "--- "))
    ]


def _words(lines: Sequence[str]) -> Mapping[str, int]:
    """Count the words of lines: a diff may be cut into other hunks, and in another order."""
    found: dict[str, int] = {}
    for word in " ".join(lines).split():
        found[word] = found.get(word, 0) + 1
    return found


def _without_addresses(text: str) -> str:
    return re.sub(r"[\w.+-]+(?:@| \(\) )[\w.-]*\w(?: ! [\w.-]*\w)*", "@", text)


def _first(ours: str, theirs: str) -> str:
    """Return the first lines that differ."""
    for one, other in zip(ours.split("\n"), theirs.split("\n"), strict=False):
        if one != other:
            return f"{one[:90]!r}, not {other[:90]!r}"
    return f"{ours.count(chr(10))} lines, not {theirs.count(chr(10))}"
