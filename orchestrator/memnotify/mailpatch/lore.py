"""Fetch whole threads by Message-Id with b4, from lore.kernel.org or from a local mbox."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from memnotify.environment import MAILS, NETWORK, PYTHON
from memnotify.errors import InfrastructureError, InputError
from memnotify.extras import packaged_program
from memnotify.files import refuse_special
from memnotify.mailpatch.git_settings import NO_SETTINGS
from memnotify.process import CommandLog, run

_FETCH = 300.0  # seconds
_NOT_THERE = re.compile(r"Server returned an error: 404|No messages found")  # messages of b4


def fetch_thread(
    wanted: str, folder: Path, *, mbox: Path | None = None, log: CommandLog | None = None
) -> Path:
    """Put the thread of a Message-Id into a folder as an mbox, and return that file.

    Raises InputError if the given mbox does not exist, or if it or lore has no such mail, and
    InfrastructureError if lore cannot be reached or b4 is missing.
    """
    found = find_thread(wanted, folder, mbox=mbox, log=log)
    if found is None:
        where = mbox or "lore.kernel.org"
        raise InputError(f"has no mail with the Message-Id {wanted}", file=where)
    return found


def find_thread(
    wanted: str, folder: Path, *, mbox: Path | None = None, log: CommandLog | None = None
) -> Path | None:
    """Do as `fetch_thread`, but return None if there is no such mail."""
    if mbox is not None and not mbox.exists():
        raise InputError("no such file", file=mbox, hint="--mbox names an mbox or a maildir")
    if mbox is not None:
        refuse_special(mbox)
    b4 = packaged_program("b4", "a thread")
    source = ["--use-local-mbox", str(mbox.absolute())] if mbox else []
    argv = [b4, "mbox", *source, "--outdir", str(folder), "--mbox-name", "thread.mbx", wanted]
    done = run(
        argv,
        cwd=folder,
        # b4 asks git for settings, and the folder may be inside a repository.
        env={**NO_SETTINGS, "GIT_CEILING_DIRECTORIES": str(folder.parent)},
        allow=[PYTHON, MAILS, NETWORK],
        timeout=_FETCH,
        log=log,
        check=False,
    )
    found = folder / "thread.mbx"
    if found.is_file() and found.stat().st_size:
        return found
    if mbox is not None or _NOT_THERE.search(done.said):
        return None
    reason = (done.said.strip().splitlines() or ["no reason given"])[-1]
    reason = textwrap.shorten(reason, 200, placeholder=" …", break_on_hyphens=False)
    raise InfrastructureError(
        "unreachable",
        f"b4 cannot fetch {wanted}: {reason}",
        hint="save the mails from an archive and name the files, or give a local --mbox",
    )
