"""The user that QEMU runs as: never root, if that can be avoided.

QEMU emulates devices for an untrusted kernel. So it gets open files instead of file names, and runs
as an unprivileged user. QEMU's own `-runas` does not work here: QEMU opens its files before it
changes user, and its sandbox, which it sets up first, forbids the change.
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
from memnotify.rights import Rights

KVM = Path("/dev/kvm")

_NAMES = ("memnotify", "nobody")
"""The first of these that exists is used. Under an account of its own, QEMU shares nothing."""

# Numbers from linux/capability.h. The last two change the user. Without the first, QEMU could not
# open the files that we give it; without the second, we could not kill it.
_CAPABILITIES = {"CAP_CHOWN": 0, "CAP_KILL": 5, "CAP_SETGID": 6, "CAP_SETUID": 7}
_TRY_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class QemuUser:
    """The user that QEMU becomes: ours without an `account`. `problem` says why it stays root."""

    account: pwd.struct_passwd | None = None
    problem: str | None = None

    def rights(self, accel: Accel) -> Rights:
        """Return QEMU's rights. Only with KVM is it in the group that may use /dev/kvm."""
        if self.account is None:
            return Rights()
        groups = _kvm_group() if accel is Accel.KVM else ()
        return Rights(self.account.pw_uid, self.account.pw_gid, groups)

    def lend(self, fd: int) -> None:
        """Let QEMU reopen an inherited file or pipe through /proc/self/fd. Raises OSError."""
        if self.account is not None:
            os.fchown(fd, self.account.pw_uid, self.account.pw_gid)

    @contextmanager
    def lent(self, file: Path, flags: int) -> Iterator[int]:
        """Open a named file, and lend it to QEMU until the context ends.

        Raises OSError, and InputError if it is not a regular file or has a second hard link: it may
        belong to a run that somebody sent, and QEMU would get access to something else.
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
        """Open a file for QEMU to read: itself if everyone may read it, else a copy in memory.

        The file is closed with the stack. Raises OSError.
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
    """Return the user that QEMU runs as. Determined once per process."""
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
    """Return why QEMU cannot run as another user although we are root."""
    found = re.search(
        r"^CapEff:\s*(\w+)$", Path("/proc/self/status").read_text(encoding="utf-8"), re.M
    )
    effective = int(found[1], 16) if found else 0
    lacking = [name for name, bit in _CAPABILITIES.items() if not effective >> bit & 1]
    if lacking:
        return f"no {', '.join(lacking)}"
    try:
        # A container may map only one user, or forbid dropping groups. QEMU itself may be in a
        # folder that other users cannot enter. A shell starts it, as it does a guest: what setpriv
        # itself starts is opened with root's capabilities.
        asked = ["sh", "-c", 'exec "$@"', "sh", *qemu.located([qemu.QEMU, "--version"])]
        process.run(rights.command(asked), timeout=_TRY_SECONDS)
    except InfrastructureError as error:
        return " ".join(str(error).split())
    return None


def _kvm_group() -> tuple[int, ...]:
    """Return the group that may use KVM; empty if that is root's."""
    try:
        device = KVM.stat()
    except OSError:
        return ()
    return (device.st_gid,) if device.st_gid and device.st_mode & 0o060 == 0o060 else ()
