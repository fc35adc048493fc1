"""Whole threads by Message-Id: b4 fetches them from lore.kernel.org, or out of a local mbox."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from memnotify.errors import InfrastructureError, InputError
from memnotify.files import refuse_special
from memnotify.places import packaged_program
from memnotify.process import CommandLog, run

_ID = re.compile(r"<?(?:https?://\S+/)?(?P<id>[\w.+$%=-]+@[\w.-]+)/?>?")
_FETCH = 300.0  # seconds
_NOT_THERE = re.compile(r"Server returned an error: 404|No messages found")  # as b4 says it


def message_id(text: str) -> str | None:
    """Return the Message-Id that a word is, with or without <> or the address of an archive."""
    found = _ID.fullmatch(text)
    return found["id"] if found else None


def fetch_thread(
    wanted: str, folder: Path, *, mbox: Path | None = None, log: CommandLog | None = None
) -> Path:
    """Put the thread of a Message-Id into a folder as an mbox, and return that file.

    Raises InputError if the mbox given is not there, or if it or lore has no such mail, and
    InfrastructureError if lore cannot be reached or b4 is not there.
    """
    found = find_thread(wanted, folder, mbox=mbox, log=log)
    if found is None:
        where = mbox or "lore.kernel.org"
        raise InputError(f"has no mail with the Message-Id {wanted}", file=where)
    return found


def find_thread(
    wanted: str, folder: Path, *, mbox: Path | None = None, log: CommandLog | None = None
) -> Path | None:
    """As `fetch_thread`, but return None for a mail that is not there."""
    if mbox is not None and not mbox.exists():
        raise InputError("no such file", file=mbox, hint="--mbox names an mbox or a maildir")
    if mbox is not None:
        refuse_special(mbox)
    b4 = packaged_program("b4")
    source = ["--use-local-mbox", str(mbox.absolute())] if mbox else []
    argv = [b4, "mbox", *source, "--outdir", str(folder), "--mbox-name", "thread.mbx", wanted]
    done = run(argv, cwd=folder, timeout=_FETCH, log=log, check=False)
    found = folder / "thread.mbx"
    if found.is_file() and found.stat().st_size:
        return found
    if mbox is not None or _NOT_THERE.search(done.stdout):
        return None
    said = (done.stdout.strip().splitlines() or ["no reason given"])[-1]
    said = textwrap.shorten(said, 200, placeholder=" …", break_on_hyphens=False)
    raise InfrastructureError(
        "unreachable",
        f"b4 cannot fetch {wanted}: {said}",
        hint="save the mails from an archive and name the files, or give a local --mbox",
    )
