"""Limits of the process (ulimit) below which nothing works: they are named before work begins."""

from __future__ import annotations

import resource
from collections.abc import Sequence

from memnotify.errors import InfrastructureError
from memnotify.units import BYTES_PER_MIB

_FILES = 256
"""Open files of a run: some 20 for each guest, and those of the libraries."""
_FILES_WANTED = 4096
_FILE_MIB = 2048
"""The largest file: a kernel source, unpacked."""
_ADDRESSES_MIB = 2048
"""Addresses of Python with its libraries, or of QEMU without its guest, most of them never used."""


def raise_soft() -> None:
    """Raise the limit on open files that the system only suggests."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES_WANTED if hard == resource.RLIM_INFINITY else min(hard, _FILES_WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def refuse_hopeless() -> None:
    """Raise InfrastructureError if not even the libraries can be loaded."""
    _refuse([_address_problem(0)])


def refuse_low(*, guest_mib: int = 0) -> None:
    """Raise InfrastructureError if a limit is too low to build, or to run a guest of this size."""
    _refuse(problems(guest_mib=guest_mib))


def problems(*, guest_mib: int = 0) -> list[str]:
    """Return what is wrong with the limits, each with its name in the shell."""
    found = [
        _address_problem(guest_mib),
        # A guest's memory is a file too, though it has no name.
        _problem(
            resource.RLIMIT_FSIZE,
            max(guest_mib, _FILE_MIB) * BYTES_PER_MIB,
            "files may have {} MiB at most, and {} are needed (ulimit -f)",
            BYTES_PER_MIB,
        ),
        _problem(
            resource.RLIMIT_NOFILE, _FILES, "{} files may be open, and {} are needed (ulimit -n)", 1
        ),
    ]
    return [problem for problem in found if problem is not None]


def _address_problem(guest_mib: int) -> str | None:
    return _problem(
        resource.RLIMIT_AS,
        (_ADDRESSES_MIB + guest_mib) * BYTES_PER_MIB,
        "a process may have {} MiB of addresses, and {} are needed (ulimit -v)",
        BYTES_PER_MIB,
    )


def _problem(limit: int, needed: int, text: str, unit: int) -> str | None:
    soft, _ = resource.getrlimit(limit)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return None
    return text.format(soft // unit, needed // unit)


def _refuse(found: Sequence[str | None]) -> None:
    said = [problem for problem in found if problem is not None]
    if said:
        raise InfrastructureError("limit", "; ".join(said))
