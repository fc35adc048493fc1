"""Kernel source from a Debian archive: what apt lists and downloads, and what dpkg-deb unpacks."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from memnotify.environment import NETWORK
from memnotify.errors import InfrastructureError
from memnotify.process import CommandFailed, CommandLog, run

_AR = b"!<arch>\n"  # what a package begins with
_DOWNLOAD = 3600.0  # seconds
_UNPACK = 600.0  # seconds


@dataclass(frozen=True, slots=True)
class Listed:
    """A package in this machine's lists. `sha256` is what the signed lists state."""

    version: str
    sha256: str


def has_apt() -> bool:
    """Return whether packages can be fetched with apt-get."""
    return shutil.which("apt-get") is not None


def listed(package: str, log: CommandLog | None = None) -> Listed | None:
    """Return the newest version of a package in this machine's lists, if there is one."""
    told = run(
        ["apt-cache", "show", "--no-all-versions", package],
        allow=[NETWORK],
        timeout=60,
        log=log,
        check=False,
    ).stdout
    fields = dict(re.findall(r"^(Package|Version|SHA256): (\S+)$", told, re.M))
    if fields.get("Package") != package or not {"Version", "SHA256"} <= fields.keys():
        return None
    return Listed(fields["Version"], fields["SHA256"])


def kernel_sources(log: CommandLog | None = None) -> list[str]:
    """Return the packages of kernel source in this machine's lists, sorted.

    There is none if the lists are empty, or in a distribution that has no such packages.
    """
    names = run(
        ["apt-cache", "pkgnames", "linux-source-"],
        allow=[NETWORK],
        timeout=60,
        log=log,
        check=False,
    ).stdout.split()
    return sorted(name for name in names if re.fullmatch(r"linux-source-\d+(\.\d+)+", name))


def download(package: str, version: str, folder: Path, log: CommandLog | None = None) -> Path:
    """Download a package into an empty folder and return its file.

    Raises InfrastructureError with apt's own words if that fails.
    """
    try:
        run(
            ["apt-get", "-q", "download", f"{package}={version}"],
            cwd=folder,
            allow=[NETWORK],
            timeout=_DOWNLOAD,
            log=log,
        )
    except CommandFailed as error:
        errors = [line for line in error.done.stderr.splitlines() if line.startswith("E: ")]
        raise InfrastructureError(
            "source",
            f"Debian's {package}: {(errors or [error.message])[0].removeprefix('E: ')}",
            hint="if the package lists are outdated, run sudo apt-get update",
        ) from error
    (file,) = folder.glob("*.deb")
    return file


def is_package(path: Path) -> bool:
    """Return whether a file begins as a Debian package does. Raises OSError."""
    with path.open("rb") as file:
        return file.read(len(_AR)) == _AR


def unpack(package: Path, folder: Path, log: CommandLog | None = None) -> None:
    """Unpack a package's files. Raises CommandFailed if it is damaged."""
    run(["dpkg-deb", "--extract", package, folder], timeout=_UNPACK, log=log)
