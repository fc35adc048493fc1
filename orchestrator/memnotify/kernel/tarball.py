"""Tarballs of kernel sources: their version and their limits."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from posixpath import normpath

from memnotify.archive import ArchiveLimits, opened
from memnotify.errors import InputError
from memnotify.series.quilt import makefile_version

# Linux 6.1 has 84,000 entries and 1.3 GB.
LIMITS = ArchiveLimits(kind="kernel", entries=250_000, size=4 << 30)


def top_and_version(tarball: Path) -> tuple[str, str]:
    """Return the folder in a tarball that holds the kernel tree ("" for none), and its version.

    Raises InputError if the archive is damaged or there is no kernel's Makefile at its top.
    """
    with opened(tarball, LIMITS) as entries:
        for archive, entry in entries:
            path = PurePosixPath(normpath(entry.name))
            if path.name == "Makefile" and len(path.parts) <= 2 and entry.isfile():
                data = archive.extractfile(entry)
                version = makefile_version(data.read().decode(errors="replace")) if data else None
                if version is not None:
                    return ("" if len(path.parts) == 1 else path.parts[0]), version
    raise InputError(
        "not a kernel source tree: it has no top-level Makefile that states a version", file=tarball
    )
