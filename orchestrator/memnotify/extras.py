"""The extras of the package: libraries and programs that only some commands use.

pyproject.toml lists what each extra installs.
"""

from __future__ import annotations

import contextlib
import importlib.util
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from memnotify.errors import InfrastructureError

# For each extra one library or program that it installs, and the commands that need it.
EXTRAS = {
    "compare": ("scipy", "p in memnotify compare --json"),
    "fleet": ("fabric", "memnotify run --fleet"),
    "import": ("b4", "memnotify series import and originals"),
    "pandas": ("pandas", "data frames of pandas"),
    "pytest": ("pytest", "pytest --memnotify"),
    "report": ("vl_convert", "memnotify plot and published --plot"),
    "shell": ("fabric", "memnotify shell"),
}
# The extra that installs a program.
_PROGRAMS = {"b4": "import", "clang-format": "import"}


@contextlib.contextmanager
def extra(name: str, what: str) -> Iterator[None]:
    """Import libraries of an extra inside; `what` needs them.

    Raises InfrastructureError, which says how to install the extra, if one is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise _missing(name, what, (error.name or "a library").partition(".")[0]) from error


def installed(library: str) -> bool:
    """Return whether a library is installed, or a program that an extra installs."""
    if library in _PROGRAMS:
        return _program(library) is not None
    return importlib.util.find_spec(library) is not None


def how_to_install(name: str) -> str:
    """Return the command that installs an extra."""
    return f"{install_command()} 'memnotify[{name}]'"


def packaged_program(name: str, what: str) -> str:
    """Return a program that an extra installs: from this environment, else from the PATH.

    `what` needs it. Raises InfrastructureError if there is none.
    """
    found = _program(name)
    if found is None:
        raise _missing(_PROGRAMS[name], what, name)
    return found


def _program(name: str) -> str | None:
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.is_file() else shutil.which(name)


def _missing(name: str, what: str, library: str) -> InfrastructureError:
    message = f"{what} needs {library}, which is not installed"
    return InfrastructureError("missing", message, hint=how_to_install(name))


def install_command() -> str:
    """Return the command that installs into this environment, as the user would type it here."""
    folder = Path(sys.executable).parent
    if (folder.parent / "pipx_metadata.json").exists():
        return "pipx runpip memnotify install"
    found = shutil.which("pip")
    if found is not None and Path(found).parent == folder:
        return "pip install"
    python = Path(sys.executable)
    if python.is_relative_to(Path.cwd()):
        python = python.relative_to(Path.cwd())
    # An environment that uv has made has no pip.
    if importlib.util.find_spec("pip") is None:
        return f"uv pip install --python {shlex.quote(str(python))}"
    return f"{shlex.quote(str(python))} -m pip install"
