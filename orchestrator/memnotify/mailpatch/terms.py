"""What git and b4 write below a patch or a cover letter: the commit and the patches it needs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence

from memnotify.mailpatch.git_settings import NO_SETTINGS
from memnotify.mailpatch.mail import PROVENANCE, Mail
from memnotify.process import CommandLog, run

_SHA = r"[0-9a-f]{7,64}"
_CHANGE = r"\d{8}-[\w.+-]+"
_TERM = re.compile(
    rf"(?:(base-commit): ({_SHA})|(base-change-id): ({_CHANGE})|(change-id): ({_CHANGE})"
    rf"|(prerequisite-patch-id): ([0-9a-f]{{40,64}})"
    rf"|(prerequisite-change-id): ({_CHANGE}(?::v\d+)?)"
    r"|(prerequisite-message-id): (<?[^\s<>@]+@[^\s<>@]+>?))"
)
_WRITTEN = re.compile(rf"{PROVENANCE}([A-Z][A-Za-z-]+): (\S+)")
_PATCH = "prerequisite-patch-id"
_SHOWN = 12  # digits of a digest, in messages

Term = tuple[str, str]


def terms_of(mail: Mail) -> list[Term]:
    """Return the terms in a mail, each as its name and its value."""
    written = (_WRITTEN.fullmatch(line) for line in mail.provenance)
    lines = [f"{found[1].lower()}: {found[2]}" for found in written if found]
    found = (_TERM.fullmatch(line.rstrip()) for line in (*lines, *mail.lines))
    terms = ([group for group in each.groups() if group] for each in found if each)
    return list(dict.fromkeys((name, value) for name, value in terms))


def written(terms: Iterable[Term], mail: Mail) -> list[str]:
    """Return the header lines of terms that a patch made of a mail does not have yet."""
    lines = (f"{PROVENANCE}{name.title()}: {value}" for name, value in terms)
    return [line for line in lines if line not in mail.provenance]


def said_of(
    terms: Sequence[Term], patches: Iterable[bytes], *, log: CommandLog | None = None
) -> list[str]:
    """Return what to tell the user of terms; `patches` are those of the series."""
    said = [
        f"{name}: {value} (the tree is not compared with it)"
        if name == "base-commit"
        else f"{name}: {value}"
        for name, value in terms
        if name != _PATCH
    ]
    needed = [value for name, value in terms if name == _PATCH]
    had = {patch_id(data, log=log) for data in patches} if needed else set()
    missing = [value for value in needed if value not in had]
    if missing:
        shown = ", ".join(value[:_SHOWN] for value in missing[:3])
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        said.append(
            f"{_PATCH}: {shown}{more}: not among these patches, and the tree must have "
            f"{'it' if len(missing) == 1 else 'them'}"
        )
    return said


def patch_id(data: bytes, *, log: CommandLog | None = None) -> str:
    """Return git's digest of what a patch changes; "" if it changes no text."""
    env = {**NO_SETTINGS, "GIT_DIR": os.devnull}
    done = run(["git", "patch-id", "--stable"], env=env, input=data, timeout=60, log=log)
    return done.stdout.partition(" ")[0]
