"""Kernel source of Debian: what apt lists and downloads, and the tarball in a package.

A package that a user names may come from anywhere. dpkg-deb decompresses it, and its files are read
as those of any archive, within limits.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import BinaryIO, cast

from memnotify.archive import ArchiveLimits, opened
from memnotify.environment import NETWORK
from memnotify.errors import InfrastructureError, InputError
from memnotify.process import CommandFailed, CommandLog, piped, run

_AR = b"!<arch>\n"  # what a package begins with
_DOWNLOAD = 3600.0  # seconds
_UNPACK = 600.0  # seconds
_PADDING = 1 << 20  # bytes

# linux-source-6.1 is 139 MB: the tarball in it is compressed.
_LIMITS = ArchiveLimits(kind="package of kernel source", entries=1000, size=2 << 30)


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


def take_member(
    package: Path, members: Collection[str], folder: Path, log: CommandLog | None = None
) -> Path:
    """Write the first of these members that a package has into a folder, and return its file.

    Nothing else of the package reaches the disk, and neither does a member that is a link.

    Raises InputError if it has none of them, is damaged, or is larger than a package of kernel
    source.
    """
    command: list[str | Path] = ["dpkg-deb", "--fsys-tarfile", package]
    try:
        with (
            piped(command, timeout=_UNPACK, log=log) as content,
            opened(package, _LIMITS, cast("BinaryIO", content)) as entries,
        ):
            taken = None
            for archive, entry in entries:
                name = normpath(entry.name)
                if taken is None and name in members and entry.isreg():
                    data = archive.extractfile(entry)
                    assert data is not None  # it is a file
                    taken = folder / PurePosixPath(name).name
                    with taken.open("xb") as out:
                        shutil.copyfileobj(data, out)
            # tar fills its last block.
            if len(content.read(_PADDING + 1)) > _PADDING:
                raise InputError("not a whole Debian package: data after its end", file=package)
    except CommandFailed as error:
        if error.timed_out:
            raise
        raise InputError(f"not a whole Debian package: {error.message}", file=package) from error
    if taken is None:
        raise InputError(f"this Debian package has no {next(iter(members))}", file=package)
    return taken
