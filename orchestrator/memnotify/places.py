"""The project's data: in the package, around it in a checkout, or in MEMNOTIFY_HOME."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from memnotify.errors import InputError

_HOME = "MEMNOTIFY_HOME"
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
