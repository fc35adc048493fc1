"""The rights of programs that are not trusted, as options of setpriv."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

SETPRIV = "setpriv"


@dataclass(frozen=True, slots=True)
class Rights:
    """The rights of an untrusted program: it can never gain more than it starts with.

    With `uid` and `gid` it runs as another user, with no groups except `groups`; this requires
    root. The numbers need not belong to an account.
    """

    uid: int | None = None
    gid: int | None = None
    groups: tuple[int, ...] = ()

    def options(self) -> tuple[str, ...]:
        """Return the options for setpriv."""
        if self.uid is None:
            return ("--no-new-privs",)
        groups = f"--groups={','.join(map(str, self.groups))}" if self.groups else "--clear-groups"
        return ("--no-new-privs", f"--reuid={self.uid}", f"--regid={self.gid}", groups)

    def command(self, argv: Sequence[str | os.PathLike[str]]) -> tuple[str, ...]:
        """Return a command that runs another one with these rights."""
        return (SETPRIV, *self.options(), "--", *(os.fspath(word) for word in argv))
