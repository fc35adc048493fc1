"""Words that messages have in common."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def counted(number: int, what: str) -> str:
    """Return `1 cell`, `2 cells`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def similar(wrong: str, known: Iterable[str]) -> str | None:
    """Return a hint for a name that is not known: the known one that it resembles, if any."""
    close = difflib.get_close_matches(wrong, list(known), 1)
    return f"did you mean {close[0]}?" if close else None


def known_names(wrong: str, known: Iterable[str]) -> str | None:
    """Return a hint for a name that is not known: the one that it resembles, or else all.

    None if there are none.
    """
    names = list(known)
    verb = "is" if len(names) == 1 else "are"
    listed = f"there {verb}: {', '.join(names)}" if names else None
    return similar(wrong, names) or listed
