"""Whom QEMU runs as: never root, if that can be helped.

QEMU emulates devices for a kernel that nobody vouches for, so it gets no name of a file but only
open files, and is a user who may do nothing. Its own `-runas` would not do: it opens its files
before, and its sandbox, which is set up first, forbids it to change its user.
"""

from __future__ import annotations

import functools
import os
import pwd
import re
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from memnotify import process
from memnotify.errors import InfrastructureError, InputError
from memnotify.guest import qemu, sparse
from memnotify.guest.backing import memfd
from memnotify.model import Accel
from memnotify.process import Rights

KVM = Path("/dev/kvm")

_NAMES = ("memnotify", "nobody")
"""The first of these that exists is used. With its own account QEMU shares nothing with others."""

# By their numbers in linux/capability.h. The third and the fourth change the user; without the
# first QEMU could not open what we give it, and without the second we could not kill it.
_CAPABILITIES = {"CAP_CHOWN": 0, "CAP_KILL": 5, "CAP_SETGID": 6, "CAP_SETUID": 7}
_TRY_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class QemuUser:
    """Whom QEMU becomes. Without an `account` it stays who we are; root, if that is a problem."""

    account: pwd.struct_passwd | None = None
    problem: str | None = None

    def rights(self, accel: Accel) -> Rights:
        """Return what QEMU may do. Only with KVM is it in the group that may use that."""
        if self.account is None:
            return Rights()
        groups = _kvm_group() if accel is Accel.KVM else ()
        return Rights(self.account.pw_uid, self.account.pw_gid, groups)

    def lend(self, fd: int) -> None:
        """Let QEMU open anew, by /proc/self/fd, a file or pipe that it inherits. Raises OSError."""
        if self.account is not None:
            os.fchown(fd, self.account.pw_uid, self.account.pw_gid)

    @contextmanager
    def lent(self, file: Path, flags: int) -> Iterator[int]:
        """Open a file with a name, and lend it meanwhile.

        Raises OSError, and InputError for what is no file or has another name, by which QEMU would
        be lent something else: the file may be of a run that somebody sent.
        """
        fd = os.open(file, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
                raise InputError("not a regular file with a single name", file=file)
            self.lend(fd)
            try:
                yield fd
            finally:
                if self.account is not None:
                    os.fchown(fd, found.st_uid, found.st_gid)
        finally:
            os.close(fd)

    def readable(self, stack: ExitStack, file: Path) -> int:
        """Open a file that QEMU is to read: itself if everyone may, or else a copy in memory.

        It is closed with the stack. Raises OSError.
        """
        fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        stack.callback(os.close, fd)
        if self.account is None or os.fstat(fd).st_mode & 0o004:
            return fd
        copy = memfd(stack, file.name)
        sparse.copy(fd, copy)
        return copy


@functools.cache
def qemu_user() -> QemuUser:
    """Return whom QEMU runs as. Asked once for each process."""
    if os.geteuid() != 0:
        return QemuUser()
    account = next(filter(None, map(_account, _NAMES)), None)
    if account is None or account.pw_uid == 0:
        return QemuUser(problem=f"there is no user {_NAMES[-1]}")
    problem = _problem(Rights(account.pw_uid, account.pw_gid))
    return QemuUser(account) if problem is None else QemuUser(problem=problem)


def _account(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _problem(rights: Rights) -> str | None:
    """Return why we, although we are root, cannot let QEMU run as another user."""
    found = re.search(r"^CapEff:\s*(\w+)$", Path("/proc/self/status").read_text(), re.M)
    effective = int(found[1], 16) if found else 0
    lacking = [name for name, bit in _CAPABILITIES.items() if not effective >> bit & 1]
    if lacking:
        return f"no {', '.join(lacking)}"
    try:
        # A container may map one user only, or forbid to leave groups; and QEMU itself may be
        # where nobody else can reach it.
        asked = qemu.located([qemu.QEMU, "--version"])
        process.run(rights.command(asked), timeout=_TRY_SECONDS)
    except InfrastructureError as error:
        return " ".join(str(error).split())
    return None


def _kvm_group() -> tuple[int, ...]:
    """Return the group that may use KVM, none if that is root's."""
    try:
        device = KVM.stat()
    except OSError:
        return ()
    return (device.st_gid,) if device.st_gid and device.st_mode & 0o060 == 0o060 else ()
