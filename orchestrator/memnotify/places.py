"""Where things are: the project's data beside the package (or where MEMNOTIFY_HOME says), programs
that came with Python packages beside the interpreter."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from memnotify.errors import InfrastructureError

HOME = Path(os.environ.get("MEMNOTIFY_HOME") or Path(__file__).resolve().parents[2])
IMAGES = HOME / "images"
KERNELS = HOME / "kernels"
PATCHES = HOME / "patches"
CAMPAIGNS = HOME / "campaigns"


def command(words: str) -> str:
    """Return a command of ours for a hint, with the program as somebody here would type it.

    Where it is not on the PATH it stands beside the program that runs: this one, or pytest.
    """
    beside = Path(sys.argv[0]).with_name("memnotify")
    program = beside if beside.is_file() and shutil.which("memnotify") is None else "memnotify"
    return f"{program} {words}"


def packaged_program(name: str) -> str:
    """Return a program that a Python package brings: of this environment, else of the PATH.

    Raises InfrastructureError if there is none.
    """
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        raise InfrastructureError(name, f"there is no {name}", hint="run make setup to install it")
    return found
