"""Where make can build a kernel: some characters in a path have a meaning for make."""

from __future__ import annotations

import re
from pathlib import Path

from memnotify.errors import InputError
from memnotify.store import Store
from memnotify.text import printable

# Letters of any script. Each of the other signs was tried with Linux 2.6.24 and make 4.3: a blank,
# a colon, a bracket, a parenthesis, a quote, a percent or an equals sign stops the build.
_FIT = re.compile(r"[\w./,@+-]")


def problem(folder: Path) -> str | None:
    """Return why no kernel can be built below a folder, or None."""
    unfit = sorted({sign for sign in str(folder) if not _FIT.fullmatch(sign)})
    if not unfit:
        return None
    named = " ".join("a blank" if sign == " " else printable(sign) for sign in unfit)
    return f"make cannot build a kernel below a path with {named}"


def refuse_unfit(store: Store) -> None:
    """Raise InputError if no kernel can be built in a store, before anything is fetched for it."""
    if (found := problem(store.root)) is not None:
        raise InputError(found, file=store.root, hint="point XDG_CACHE_HOME at another folder")
