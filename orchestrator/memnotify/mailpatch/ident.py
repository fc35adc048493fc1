"""Author and date of a patch in the forms that `git am` takes, without adding anything to them.

git refuses a name without an address, an empty name, and a date that it cannot read.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Sequence

from memnotify.mailpatch.git_settings import NO_SETTINGS
from memnotify.process import CommandLog, run

UNKNOWN = "unknown"
_EMPTY = " <>"
_LONGEST = 60  # bytes of a name; git takes the address instead of a longer one
# What git strips from both ends of a name.
_CRUD = "".join(map(chr, range(33))) + ".,:;<>\"\\'"
_SENT = re.compile(
    r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?(?:0?[1-9]|[12]\d|3[01]) "
    r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) (?:19[7-9]\d|20\d\d) "
    r"[01]\d:[0-5]\d:[0-5]\d [+-]0\d[0-5]\d(?: \([A-Z]+\))?"
)
_HEADER = re.compile(r"(From|Date|Subject): ?(.*)", re.IGNORECASE)
_OF_DIFF = re.compile(r"diff -|Index: |--- \S")  # where git ends a message


def author_of(value: str | None) -> str:
    """Return the value of a From header with which git finds a name in it."""
    value = (value or "").strip()
    bare = value.strip(_CRUD)
    if not bare:
        return UNKNOWN + _EMPTY
    if "@" in value:
        return value
    name, opened, rest = value.partition("<")
    if opened and ">" in rest:
        address = rest.partition(">")[0]
        return value if _is_name(name) or address.strip(_CRUD) else f"{bare} <{bare}>"
    plain = " ".join(re.sub("[<>]", " ", value).split())
    return plain + _EMPTY if _is_name(plain) else f"{plain} <{plain}>"


def _is_name(text: str) -> bool:
    text = text.strip()
    return bool(text.strip(_CRUD)) and ">" not in text and 2 < len(text.encode()) <= _LONGEST


def is_date(value: str, *, log: CommandLog | None = None) -> bool:
    """Return whether git can read a date."""
    if _SENT.fullmatch(value):
        return True
    with tempfile.TemporaryDirectory(prefix="memnotify-date-") as folder:
        done = run(
            ["git", "var", "GIT_AUTHOR_IDENT"],
            env={
                **NO_SETTINGS,
                "GIT_DIR": f"{folder}/none",
                "GIT_AUTHOR_NAME": UNKNOWN,
                "GIT_AUTHOR_EMAIL": UNKNOWN,
                "GIT_AUTHOR_DATE": value,
            },
            timeout=60,
            log=log,
            check=False,
        )
    return done.returncode == 0


def taken_message(
    lines: Sequence[str], *, log: CommandLog | None = None
) -> tuple[list[str], list[str]]:
    """Return a message that `git am` takes, and the dates above it that it would not.

    Its first lines may be headers, which git prefers to those of the mail.
    """
    done = list(lines)
    dates = []
    for at, line in enumerate(lines):
        found = _HEADER.fullmatch(line)
        if found is None:
            break
        if found[1].lower() == "from":
            done[at] = f"{found[1]}: {author_of(found[2])}"
        elif found[1].lower() == "date" and not is_date(found[2].strip(), log=log):
            dates.append(found[2].strip())
            done[at] = ""
    kept = [line for before, line in zip(lines, done, strict=True) if line or not before]
    return without_diffs(kept), dates


def without_diffs(lines: Iterable[str]) -> list[str]:
    """Return lines of text of which git takes none for the header of a diff."""
    return [" " + line if _OF_DIFF.match(line) else line for line in lines]
