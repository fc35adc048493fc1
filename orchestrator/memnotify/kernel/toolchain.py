"""The programs that build a kernel: which of them are missing, and their versions."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from memnotify.environment import COMPILER, construct
from memnotify.errors import InfrastructureError, InputError
from memnotify.files import file_state
from memnotify.kernel.base import Base
from memnotify.model import Arch
from memnotify.process import CommandLog, Completed, run


@dataclass(frozen=True)
class Toolchain:
    """`cc` is the compiler's command line; `versions` is what each program reports.

    `dropped` are the base's flags that the compiler does not know.
    """

    cc: str
    versions: Mapping[str, str]
    dropped: tuple[str, ...] = ()


Stamp = tuple[int, ...]

TOOLS = "tools"
"""The kind of failure of a machine that lacks programs or headers, which its hint names."""

_answered: dict[object, Completed] = {}
"""What programs said. A run asks for the toolchain of each kernel, several times."""

_read: dict[object, Mapping[str, Stamp | None]] = {}
"""The files that gcc read for headers that it found, each as it was then."""


def missing_packages(base: Base, *, log: CommandLog | None = None) -> dict[str, str]:
    """Return what this machine lacks for building a base: program or header → package."""
    table = base.table
    missing = {name: deb for name, deb in table.tools.items() if shutil.which(name) is None}
    if "gcc" not in missing and table.headers and not _finds(table.headers, log):
        missing |= {name: deb for name, deb in table.headers.items() if not _finds([name], log)}
    return missing


def refuse_missing(base: Base, *, log: CommandLog | None = None) -> None:
    """Raise InfrastructureError, of the kind `TOOLS`, if this machine lacks what builds a base."""
    missing = missing_packages(base, log=log)
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        raise InfrastructureError(
            TOOLS,
            f"building {base.name} needs {', '.join(missing)}",
            hint=f"sudo apt-get install {packages}",
        )


def _finds(headers: Iterable[str], log: CommandLog | None) -> bool:
    """Return whether gcc finds all these headers; it is not asked again while they stay there."""
    words = [word for header in headers for word in ("-include", header)]
    command = ["gcc", "-M", *words, "-x", "c", "/dev/null"]
    key = _key(command)
    known = _read.get(key)
    if known is None or any(_stamp(path) != stamp for path, stamp in known.items()):
        done = run(command, allow=[COMPILER], timeout=60, log=log, check=False)
        if done.returncode != 0:
            return False
        # A rule for make: what gcc has read, behind the name of an object.
        read = shlex.split(done.stdout.replace("\\\n", " "))[1:]
        _read[key] = {path: _stamp(path) for path in read}
    return True


def named_compiler(cc: str) -> list[str]:
    """Return the words of the compiler given with --cc. Raises InputError if it does not exist."""
    try:
        command = shlex.split(cc)
    except ValueError as error:
        raise InputError(f"--cc {cc}: {error}") from error
    if not command or shutil.which(command[0]) is None:
        raise InputError(f"there is no compiler {cc}")
    if "/" in command[0]:
        command[0] = str(Path(command[0]).absolute())
    return command


def identify(base: Base, arch: Arch, cc: str | None, *, log: CommandLog | None = None) -> Toolchain:
    """Return the toolchain for an architecture, `cc` being the user's own compiler or None.

    Raises InfrastructureError naming the packages to install if any part is missing, InputError if
    `cc` cannot be run or does not compile for the architecture.
    """
    refuse_missing(base, log=log)
    command = named_compiler(cc or "gcc")
    versions = {name: _version([name], log) for name in base.table.tools if name != "gcc"}
    versions["cc"] = _version(command, log)
    if cc is not None:
        versions["hostcc"] = _version(["gcc"], log)
    versions["cc target"] = _stdout([*command, "-dumpmachine"], log).strip()
    table = base.arch(arch)
    command += table.cc
    wanted = [*base.table.cc_flags, *table.cc_flags]
    known = _known_flags(command, wanted, log)
    dropped = tuple(flag for flag in wanted if flag not in known)
    return Toolchain(shlex.join([*command, *known]), versions, dropped)


def _known_flags(command: list[str], flags: list[str], log: CommandLog | None) -> list[str]:
    """Return the flags that a compiler knows; usually it knows all of them."""
    plain = _compiled_nothing(command, log)
    if plain.returncode != 0:
        raise InputError(f"{shlex.join(command)} cannot compile even an empty file")

    def knows(words: list[str]) -> bool:
        # clang only warns of a flag that it does not know, and gcc or clang may warn of any call.
        done = _compiled_nothing([*command, *words], log)
        return (done.returncode, done.stderr) == (0, plain.stderr)

    return flags if knows(flags) else [flag for flag in flags if knows([flag])]


def _compiled_nothing(command: list[str], log: CommandLog | None) -> Completed:
    return _ask([*command, "-fsyntax-only", "-x", "c", "/dev/null"], log, check=False)


def _version(command: list[str], log: CommandLog | None) -> str:
    output = _stdout([*command, "--version"], log)
    return next((line.strip() for line in output.splitlines() if line.strip()), "")


def _stdout(command: list[str], log: CommandLog | None) -> str:
    return _ask(command, log, check=True).stdout


def _ask(command: list[str], log: CommandLog | None, *, check: bool) -> Completed:
    """Run a program, unless the same file said something to the same words before."""
    key = _key(command)
    if key not in _answered:
        done = run(command, allow=[COMPILER], timeout=60, log=log, check=check)
        if done.returncode != 0:
            return done
        _answered[key] = done
    return _answered[key]


def _key(command: list[str]) -> tuple[object, ...]:
    """Return what the answer of a program depends on."""
    path = shutil.which(command[0])
    return (*command, path, path and _stamp(path), *construct(COMPILER).items())


def _stamp(path: str) -> Stamp | None:
    try:
        return file_state(Path(path))
    except OSError:
        return None
