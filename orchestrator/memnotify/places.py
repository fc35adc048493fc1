"""The locations of the project's data: beside the package, or in MEMNOTIFY_HOME."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from memnotify.errors import InputError

HOME = Path(os.environ.get("MEMNOTIFY_HOME") or Path(__file__).resolve().parents[2])
IMAGES = HOME / "images"
KERNELS = HOME / "kernels"
PATCHES = HOME / "patches"
CAMPAIGNS = HOME / "campaigns"


def need(folder: Path) -> None:
    """Raise InputError if a folder of the project's data is missing.

    That is so if the package is installed without them.
    """
    if not folder.is_dir():
        hint = "set MEMNOTIFY_HOME to the folder of the project"
        raise InputError("the data of the project are missing", file=folder, hint=hint)


def command(words: str) -> str:
    """Return a memnotify command for a hint, as the user would type it here.

    If memnotify is not on the PATH, this is the one beside the running program (or pytest).
    """
    beside = Path(sys.argv[0]).with_name("memnotify")
    program = beside if beside.is_file() and shutil.which("memnotify") is None else "memnotify"
    return f"{program} {words}"
