"""What a restoration reports for a mail: its repairs, and where it failed."""

from __future__ import annotations

from dataclasses import dataclass, field

from memnotify.errors import InputError
from memnotify.mailpatch.mail import Mail
from memnotify.mailpatch.repairs import Repair, RepairKind


@dataclass(frozen=True, slots=True)
class At:
    """The part of a mail that is being read: its line, and its name in messages."""

    line: int
    what: str


@dataclass
class Account:
    """The repairs of a mail so far, and the part that is being read."""

    mail: Mail
    repairs: list[Repair] = field(default_factory=list)
    at: At = At(1, "the mail")

    def repair(
        self,
        kind: RepairKind,
        *,
        file: str = "",
        line: int | None = None,
        detail: str = "",
        sure: bool = True,
    ) -> None:
        self.repairs.append(Repair(kind=kind, file=file, line=line, detail=detail, sure=sure))

    def error(self, line: int, message: str, hint: str | None = None) -> InputError:
        at = None if self.mail.first is None else self.mail.first + line - 1
        return InputError(message, file=self.mail.source, line=at, hint=hint)
