"""Folders of patches: with quilt's `series` file, or as git format-patch leaves them."""

from __future__ import annotations

import re
from pathlib import Path

from memnotify.errors import InputError
from memnotify.files import read_text

SERIES = "series"
PENDING, NAMES = ".memnotify-import", "names"
"""The folder of an import within that of a series, and the file that exists while it writes."""

_NUMBERED = re.compile(r"(\d+)-.*\.patch")


def is_series_folder(folder: Path) -> bool:
    """Return whether a folder has a `series` file, or patches as git format-patch names them.

    Raises InputError if an import into it is incomplete.
    """
    check_whole(folder)
    return (folder / SERIES).is_file() or bool(numbered(folder))


def series_folders(folder: Path) -> dict[str, Path]:
    """Return the folders of patches in a folder that has one for each base, by base."""
    inner = sorted(path for path in folder.iterdir() if path.is_dir())
    return {path.name: path for path in inner if is_series_folder(path)}


def no_series(folder: Path) -> InputError:
    """Return the error for a folder without patches."""
    return InputError("this folder has no `series` file", file=folder)


def numbered(folder: Path) -> list[str]:
    """Return the patches of git format-patch in a folder, in their order, without a cover letter.

    Raises InputError if two of them have the same number: they may be of two versions.
    """
    if not folder.is_dir():
        return []
    there = [
        (found, path.name)
        for path in sorted(folder.glob("*.patch"))
        if (found := _NUMBERED.fullmatch(path.name)) and int(found[1])
    ]
    names: dict[int, str] = {}
    for found, name in there:
        if (other := names.setdefault(int(found[1]), name)) != name:
            raise InputError(
                f"{other} and {name} have the same number",
                file=folder,
                hint="write the names of the right patches into a file `series`, in their order",
            )
    return [names[number] for number in sorted(names)]


def series_text(folder: Path) -> str:
    """Return the content of a folder's `series` file, or what it would be without one."""
    file = folder / SERIES
    return read_text(file) if file.is_file() else "".join(f"{n}\n" for n in numbered(folder))


def check_whole(folder: Path) -> None:
    """Raise InputError if an import into the folder of a series is incomplete."""
    if (folder / PENDING / NAMES).exists():
        raise InputError(
            "an import into this folder was interrupted, or is still running",
            file=folder,
            hint="`memnotify series import` into it restores the previous contents and continues",
        )
