"""The usage example from the mail of the patch that added /dev/mem_notify, for compilation."""

from __future__ import annotations

from pathlib import Path

from memnotify import places
from memnotify.errors import InfrastructureError

INCLUDED = "usage_example.inc"
"""The name under which usage.c includes it."""

_FIRST, _LAST = "<usage examle>", "</usage example>"  # as the mail spells them
_AND_SO_ON = "..."  # a line of the example that stands for the rest of a program


def mail() -> Path:
    """Return the file of the mail. Raises InputError if the project's patches are missing."""
    return places.data_files(places.PATCHES / "mem_notify" / "v4" / "original", "3-of-5.txt")[0]


def usage_example(path: Path) -> str:
    """Return the example in a mail as C: its lines unchanged, except for "...", which is not C.

    A #line directive makes the compiler's messages refer to the mail. Raises InfrastructureError if
    the mail has no example.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    if _FIRST not in lines or _LAST not in lines[lines.index(_FIRST) :]:
        raise InfrastructureError("image", f"{path} has no usage example")
    first, last = lines.index(_FIRST) + 1, lines.index(_LAST)
    code = ["/* ... */" if line == _AND_SO_ON else line for line in lines[first:last]]
    return "\n".join([f'#line {first + 1} "{path.name}"', *code, ""])
