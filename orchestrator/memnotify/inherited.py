"""What a command inherits besides its environment: the standard streams, and what signals do.

A program that is started with stdin, stdout or stderr closed gives their numbers to the next files
that it opens, and Python has no stream at all for them. One that is started with SIGCHLD ignored or
blocked never hears how its children end.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import signal
import sys
import threading

_NAMES = ("stdin", "stdout", "stderr")


def prepare() -> None:
    """Make Python's standard streams usable, also for text that their encoding cannot hold.

    A closed one behaves as /dev/null. What the encoding cannot hold is escaped. A command can be
    interrupted even if its caller blocked the signals.
    """
    hold()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM, signal.SIGINT])
    for fd, name in enumerate(_NAMES):
        if getattr(sys, name) is None:
            raw = io.FileIO(fd, "w" if fd else "r", closefd=False)
            whole = io.BufferedWriter(raw) if fd else io.BufferedReader(raw)
            setattr(sys, name, io.TextIOWrapper(whole, encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def hold() -> None:
    """Open /dev/null for each closed standard stream, and let children be waited for."""
    for fd in range(len(_NAMES)):
        try:
            os.fstat(fd)
        except OSError:
            # The lowest free number, which is this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
    main = threading.current_thread() is threading.main_thread()
    if main and signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def above_standard(fd: int) -> int:
    """Return a descriptor that is not one of the child's stdin, stdout and stderr.

    A process whose own are closed gets their numbers for whatever it opens first.
    """
    if fd > 2:
        return fd
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(fd)
    return moved


def complain(text: str) -> None:
    """Print a line on stderr, if anything can be written there."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def unwritten(error: OSError) -> bool:
    """Return whether an error is that stdout takes nothing.

    What it did not take, it still has, unless it has no buffer; then a device says so again.
    """
    if error.filename is not None:
        return False
    try:
        sys.stdout.flush()
        os.write(sys.stdout.fileno(), b"")
    except OSError as again:
        return again.errno == error.errno
    return False


def give_up_unwritten() -> None:
    """Drop output that cannot be written, or the interpreter would complain of it at its end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())
