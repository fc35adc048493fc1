"""The files of a folder of mails: a maildir, a quilt series in its order, or any others by name."""

from __future__ import annotations

import re
from pathlib import Path

from memnotify.errors import InputError
from memnotify.files import read_text

_SERIES = "series"


def files_of(folder: Path) -> list[tuple[Path, tuple[str, int] | None]]:
    """Return the files of a folder in order, each with its place in the folder's series file.

    That is None without such a file, and -1 if it does not name the file. Raises InputError for an
    empty folder, and for a series file that names a file which is not there.
    """
    parts = [folder / "cur", folder / "new"]
    places = parts if all(part.is_dir() for part in parts) else [folder]
    files = [file for place in places for file in sorted(place.iterdir()) if file.is_file()]
    files = [file for file in files if not file.name.startswith(".") and file.name != _SERIES]
    listed = _listed(folder / _SERIES) if (folder / _SERIES).is_file() else []
    if not files and not listed:
        raise InputError("this folder contains no mail", file=folder)
    if not listed:
        return [(file, None) for file in files]
    known = listed_in(folder / _SERIES)
    return [*known, *((file, (str(folder), -1)) for file in files if file not in listed)]


def listed_in(series: Path) -> list[tuple[Path, tuple[str, int]]]:
    """Return the files that a series file names, with their places in it."""
    folder = str(series.parent)
    return [(file, (folder, number)) for number, file in enumerate(_listed(series))]


def is_series(file: Path) -> bool:
    """Return whether a file is one that lists patches beside it."""
    if file.name != _SERIES or not file.is_file():
        return False
    try:
        lines = read_text(file).splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    names = [words[0] for line in lines if (words := line.split())]
    return any("\0" not in name and (file.parent / name).is_file() for name in names)


def _listed(series: Path) -> list[Path]:
    """Return the files that a series file names, as quilt reads it."""
    try:
        lines = read_text(series).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", file=series) from error
    found = []
    for number, line in enumerate(lines, 1):
        words = re.sub(r"(^|\s)#.*", "", line).split()
        if not words:
            continue
        path = series.parent / words[0]
        if not path.is_file():
            raise InputError(f"{words[0]} is not there", file=series, line=number)
        if "-R" in words[1:]:
            raise InputError(
                f"{words[0]} is applied in reverse (-R), which an import does not do",
                file=series,
                line=number,
                hint="give a patch that undoes it, or leave the line out",
            )
        found.append(path)
    return found
