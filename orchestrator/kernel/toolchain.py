"""The programs that build a kernel: whether they are there, and which they are."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import InfrastructureError, InputError
from orchestrator.kernel.base import Base
from orchestrator.process import CommandLog, run


@dataclass(frozen=True)
class Toolchain:
    """`cc` is the compiler's command line; `versions` what each program says that it is."""

    cc: str
    versions: Mapping[str, str]


def missing_packages(base: Base, *, log: CommandLog | None = None) -> dict[str, str]:
    """Return what building a base needs and this machine lacks: program or header → package."""
    table = base.table
    missing = {name: deb for name, deb in table.tools.items() if shutil.which(name) is None}
    if "gcc" not in missing:
        for header, package in table.headers.items():
            probe = run(
                ["gcc", "-E", "-include", header, "-x", "c", "/dev/null"],
                timeout=60,
                log=log,
                check=False,
            )
            if probe.returncode != 0:
                missing[header] = package
    return missing


def identify(base: Base, cc: str | None, *, log: CommandLog | None = None) -> Toolchain:
    """Return the toolchain, `cc` being the user's own compiler or None.

    Raises InfrastructureError naming the packages to install if any part is missing, InputError if
    `cc` cannot be run.
    """
    missing = missing_packages(base, log=log)
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        raise InfrastructureError(
            "tools",
            f"building {base.name} needs {', '.join(missing)}",
            hint=f"sudo apt-get install {packages}",
        )
    try:
        command = shlex.split(cc or "gcc")
    except ValueError as error:
        raise InputError(f"--cc {cc}: {error}") from error
    if not command or shutil.which(command[0]) is None:
        raise InputError(f"no compiler is called {cc}")
    if "/" in command[0]:
        command[0] = str(Path(command[0]).absolute())
    versions = {name: _version([name], log) for name in base.table.tools if name != "gcc"}
    versions["cc"] = _version(command, log)
    if cc is not None:
        versions["hostcc"] = _version(["gcc"], log)
    versions["cc target"] = run([*command, "-dumpmachine"], timeout=60, log=log).stdout.strip()
    return Toolchain(shlex.join(command), versions)


def _version(command: list[str], log: CommandLog | None) -> str:
    said = run([*command, "--version"], timeout=60, log=log).stdout
    return next((line.strip() for line in said.splitlines() if line.strip()), "")
