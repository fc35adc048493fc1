"""A disk that fills up soon: a small tmpfs in a mount namespace of a separate process."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_NEW_MOUNTS, _NEW_USER = 0x00020000, 0x10000000  # CLONE_NEWNS, CLONE_NEWUSER
_SKIP = "skip: "


def in_namespace(work: Callable[[], None], *, seconds: float = 300) -> None:
    """Run `work` in a child that may mount; fail as it fails, skip if nobody may mount.

    A fork of a process with threads may wait forever for a lock that another thread held, so the
    child is killed after `seconds`.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        said = ""
        try:
            said = _unshare() or ""
            if not said:
                work()
        except BaseException:
            said = traceback.format_exc()
        os.write(writing, said.encode()[-60_000:])
        os._exit(0)
    os.close(writing)
    try:
        said = _all_of(reading, time.monotonic() + seconds)
    except TimeoutError:
        said = f"timed out after {seconds:g} s, killed"
    finally:
        os.close(reading)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if said.startswith(_SKIP):
        pytest.skip(said.removeprefix(_SKIP))
    if said:
        pytest.fail(said, pytrace=False)


def _all_of(pipe: int, deadline: float) -> str:
    said = b""
    while select.select([pipe], [], [], max(0, deadline - time.monotonic()))[0]:
        text = os.read(pipe, 1 << 16)
        if not text:
            return said.decode(errors="replace")
        said += text
    raise TimeoutError


def _unshare() -> str | None:
    """Get private mounts, as root of a user namespace if necessary; return why that failed."""
    libc, user, group = ctypes.CDLL(None, use_errno=True), os.geteuid(), os.getegid()
    if libc.unshare(_NEW_MOUNTS):
        if libc.unshare(_NEW_MOUNTS | _NEW_USER):
            return f"{_SKIP}no mounts of our own: {os.strerror(ctypes.get_errno())}"
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    private = subprocess.run(["mount", "--make-rprivate", "/"], capture_output=True, text=True)
    return f"{_SKIP}{private.stderr}" if private.returncode else None


@contextmanager
def small(folder: Path, kib: int) -> Iterator[Callable[[], None]]:
    """Mount a disk of `kib` KiB on a folder, and yield a function that enlarges it."""
    folder.mkdir(parents=True, exist_ok=True)

    def mount(*options: str) -> None:
        subprocess.run(["mount", *options, str(folder)], check=True)

    mount("-t", "tmpfs", "-o", f"size={kib}k", "tmpfs")
    try:
        yield lambda: mount("-o", "remount,size=1g")
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
