"""The locations of the project's data, and of programs that Python packages install.

Data is beside the package, or in MEMNOTIFY_HOME. Programs are beside the interpreter.
"""

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
    """Return a memnotify command for a hint, as the user would type it here.

    If memnotify is not on the PATH, this is the one beside the running program (or pytest).
    """
    beside = Path(sys.argv[0]).with_name("memnotify")
    program = beside if beside.is_file() and shutil.which("memnotify") is None else "memnotify"
    return f"{program} {words}"


def packaged_program(name: str) -> str:
    """Return a program that a Python package installs: from this environment, else from the PATH.

    Raises InfrastructureError if there is none.
    """
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        raise InfrastructureError(name, f"there is no {name}", hint="run make setup to install it")
    return found
