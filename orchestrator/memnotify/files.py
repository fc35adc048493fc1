"""Files that users name, or that came with a run from somewhere: read if they are files.

A pipe that nobody writes to never answers, and a device has no end, so that anything else than a
file is refused before it is opened.
"""

from __future__ import annotations

import os
import stat
from io import BufferedReader
from pathlib import Path

from memnotify.errors import InputError


def refuse_special(path: Path) -> None:
    """Raise InputError for a pipe, a device or a socket. A folder is let pass, and what is not
    there: opening them says so. Raises OSError if nobody can look."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError("not a regular file", file=path)


def open_file(path: Path) -> BufferedReader:
    """Open a file to read its bytes.

    Raises OSError as `open` does, and InputError as `refuse_special` does.
    """
    refuse_special(path)
    # Without waiting, should it have become a pipe since.
    return open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))


def read_bytes(path: Path) -> bytes:
    """Return what is in a file. Raises as `open_file` does."""
    with open_file(path) as file:
        return file.read()


def read_text(path: Path) -> str:
    """Return what is in a file of UTF-8. Raises as `open_file` does, and UnicodeDecodeError."""
    return read_bytes(path).decode().replace("\r\n", "\n")
