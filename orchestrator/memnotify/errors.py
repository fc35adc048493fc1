"""Failures, sorted by who has to act on them.

A *finding* (guest panic, OOM kill, hang, ...) is a result and not an exception: see
`model.Outcome`.
"""

from __future__ import annotations

import errno
from pathlib import Path

from memnotify.text import message

TRACEBACK = "MEMNOTIFY_TRACEBACK"
"""Environment variable that makes a bug of the testbed end the command with a traceback."""


def no_space(error: OSError) -> bool:
    """Return whether the error means that the disk is full or the user's quota is used up."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


class MemnotifyError(Exception):
    """Anything that ends a command with one clear line.

    `message` says what is wrong, `hint` how to fix it; `exit_code` is the command's status. As a
    text it can be printed: a newline or an escape sequence in a name that it quotes is escaped.
    """

    exit_code = 3

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return message(self.message if self.hint is None else f"{self.message} ({self.hint})")


class InputError(MemnotifyError):
    """Bad input or usage: exit status 2. Names the file and the line, if there is one."""

    exit_code = 2

    def __init__(
        self,
        message: str,
        *,
        file: Path | str | None = None,
        line: int | None = None,
        hint: str | None = None,
    ) -> None:
        place = "" if file is None else f"{file}:{line}: " if line is not None else f"{file}: "
        super().__init__(place + message, hint=hint)
        self.file = file
        self.line = line


class InfrastructureError(MemnotifyError):
    """The testbed, not the guest, failed: exit status 3. May be retried.

    `kind` is one word for the outcome column: `qemu-died`, `qmp-timeout`, `disk-full`, ...
    """

    exit_code = 3

    def __init__(self, kind: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.kind = kind
