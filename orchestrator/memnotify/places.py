"""The project's data: in the package, around it in a checkout, or in MEMNOTIFY_HOME.

Beside them, the user may have folders of the same structure, which MEMNOTIFY_PATH lists:
`kernels/`, `patches/`, `images/machines/` and `campaigns/`. A name belongs to one file, so that no
folder changes what a name of another one means.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from memnotify.errors import InputError

_HOME = "MEMNOTIFY_HOME"
PATH = "MEMNOTIFY_PATH"
"""The variable that lists folders of the user's; --base-dir adds one."""

_PACKAGE = Path(__file__).resolve().parent
# A wheel has the data in the package; pyproject.toml says which folders.
_INSTALLED = _PACKAGE / "data"
HOME = Path(os.environ.get(_HOME) or (_INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parents[1]))
IMAGES = HOME / "images"
KERNELS = HOME / "kernels"
PATCHES = HOME / "patches"
CAMPAIGNS = HOME / "campaigns"
DOCS = HOME / "docs"
SCHEMAS = HOME / "schemas"


def installed(folder: Path) -> bool:
    """Return whether a folder is part of an installed package: the next one replaces it."""
    return folder.resolve().is_relative_to(_INSTALLED)


def own_folders() -> tuple[Path, ...]:
    """Return the user's folders, in their order. Raises InputError if one does not exist."""
    listed = os.environ.get(PATH, "").split(os.pathsep)
    found = dict.fromkeys(Path(name).expanduser().absolute() for name in listed if name)
    for folder in found:
        if not folder.is_dir():
            raise InputError(
                "there is no such folder", file=folder, hint=f"{PATH} or --base-dir names it"
            )
    return tuple(folder for folder in found if not _same(folder, HOME))


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def beside(own: Path, part: str) -> tuple[Path, ...]:
    """Return the folder `own` of the project's data, and `part` of each of the user's folders."""
    return (own, *(folder / part for folder in own_folders()))


def only_one(files: Sequence[Path], what: str) -> Path | None:
    """Return the file that a name stands for, if there is one. Raises InputError for several."""
    if len(files) > 1:
        first, second = files[:2]
        raise InputError(
            f"{what} is also in {first.parent}", file=second, hint="rename one of the two"
        )
    return files[0] if files else None


def from_where(file: Path) -> Path | None:
    """Return which of the user's folders a file is in; None if it is the project's own."""
    return next((folder for folder in own_folders() if file.is_relative_to(folder)), None)


def data_files(folder: Path, pattern: str) -> list[Path]:
    """Return the files in a folder of the project's data that match a pattern, sorted.

    Raises InputError if there are none: no command can do its work without them, and a list that is
    empty would look like a result.
    """
    found = sorted(path for path in folder.glob(pattern) if path.is_file())
    if not found:
        given = os.environ.get(_HOME)
        hint = f"set {_HOME} to a checkout, or install memnotify again"
        if given:
            hint = f"set {_HOME}, which is {given}, to another folder, or unset it"
        message = f"the data of the project ({pattern}) are missing"
        raise InputError(message, file=folder, hint=hint)
    return found


def command(words: str) -> str:
    """Return a memnotify command for a hint, as the user would type it here.

    If memnotify is not on the PATH, this is the one beside the running program (or pytest).
    """
    beside = Path(sys.argv[0]).with_name("memnotify")
    program = beside if beside.is_file() and shutil.which("memnotify") is None else "memnotify"
    return f"{program} {words}"
