"""The files of the ledger: claims, places in the queue, and who holds them.

The name of a claim has its owner, and its content what is claimed; runs of any version read them.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from memnotify.run.need import Need

CLAIM, PLACE = "claim-", "place-"

_PASSED_OVER_S = 5.0
"""A run that has not checked for this long is stopped (Ctrl-Z); others need not wait for it."""

_TOLD = 60


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim that is held, as anyone can see it. `wanted` is None if it cannot be read."""

    path: Path
    wanted: Need | None

    def __str__(self) -> str:
        wanted = "an unreadable claim" if self.wanted is None else self.wanted
        since = ""
        with contextlib.suppress(OSError):
            began = time.localtime(self.path.stat().st_mtime)
            today = time.localtime()[:3] == began[:3]
            since = f" since {time.strftime('%H:%M' if today else '%Y-%m-%d %H:%M', began)}"
        return f"{owner(self.path.name)} has {wanted}{since}"


def held_claims(folder: Path, *, remove: bool = False) -> Iterator[Claim]:
    """Yield the claims that are held; with `remove`, delete those of dead processes.

    `remove` needs the gate. Reading does not wait for anybody.
    """
    for path in sorted(folder.glob(f"{CLAIM}*")):
        with contextlib.suppress(FileNotFoundError), path.open(encoding="utf-8") as file:
            if locked(file):
                if remove:
                    path.unlink()  # its holder is gone
                continue
            try:
                memory_mib, cores = json.load(file)
            except (ValueError, TypeError):
                yield Claim(path, None)
            else:
                yield Claim(path, Need(memory_mib, cores))


def locked(file: TextIO) -> bool:
    """Return whether the file could be locked: nobody else holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def waits(place: Path) -> bool:
    """Return whether the owner of a place waits. Deletes the place if its owner is gone."""
    with contextlib.suppress(FileNotFoundError), place.open(encoding="utf-8") as file:
        if not locked(file):
            return time.time() - os.fstat(file.fileno()).st_mtime < _PASSED_OVER_S
        place.unlink()  # its owner is gone
    return False


def is_ours(place: Path) -> bool:
    """Return whether a place is of this process."""
    with contextlib.suppress(OSError):
        return place.read_text(encoding="utf-8") == str(os.getpid())
    return False


def owner(claim: str) -> str:
    """Return the owner of a claim: its process, and the command line if that is readable."""
    pid, dash, _ = claim.removeprefix(CLAIM).partition("-")
    if not (dash and pid.isdecimal()):
        return "another run"
    words: list[str] = []
    with contextlib.suppress(OSError):
        words = (
            Path(f"/proc/{pid}/cmdline").read_text(errors="replace", encoding="utf-8").split("\0")
        )
    # The command without Python and without the path of the program.
    if words and Path(words[0]).name.startswith("python"):
        words = words[1:]
    if not words:
        return f"pid {pid}"
    told = " ".join([Path(words[0]).name, *words[1:]]).strip()
    return f"pid {pid} ({told if len(told) <= _TOLD else told[: _TOLD - 1] + '…'})"
