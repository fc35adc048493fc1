"""Read files that users name, or that came with a run from elsewhere, if they are regular files.

A pipe without a writer blocks, and a device has no end, so anything except a file is refused before
it is opened.
"""

from __future__ import annotations

import os
import stat
from io import BufferedReader
from pathlib import Path

from memnotify.errors import InputError


def refuse_special(path: Path) -> None:
    """Raise InputError for a pipe, a device or a socket.

    A folder or a missing file is accepted: opening it gives a clear error. Raises OSError if the
    path cannot be examined.
    """
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
    # O_NONBLOCK, in case it has become a pipe since the check.
    return open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))


def read_bytes(path: Path) -> bytes:
    """Return the content of a file. Raises as `open_file` does."""
    with open_file(path) as file:
        return file.read()


def read_text(path: Path) -> str:
    """Return the content of a UTF-8 file. Raises UnicodeDecodeError, and as `open_file` does."""
    return read_bytes(path).decode().replace("\r\n", "\n")
