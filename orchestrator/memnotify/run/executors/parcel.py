"""What goes to a worker of a cluster and comes back: values, and nothing that is tied to a host."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memnotify import __version__, host
from memnotify.digest import digest_file, digest_value
from memnotify.errors import InfrastructureError, InputError
from memnotify.guest import qemu
from memnotify.host import Machine
from memnotify.model import Cell, CellResult
from memnotify.results.verdict import Verdict
from memnotify.run.executors.protocol import OWN
from memnotify.run.guests import CellRunner

PLUGIN = "memnotify"
"""The name of the part of ours in each worker."""

READY = "memnotify-ready"
"""The topic on which a host says that it can run cells."""

STARTS = "starts"
"""The first stage of a cell on a host, whatever it waits for there."""

_PACKAGE = Path(__file__).parents[2]
_DATA = "data"  # of a wheel; what is made of it has keys of its own

_LARGEST = 256 << 20  # bytes of one file of a cell; a full log has 16 MiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One attempt at a cell.

    `run` is the topic of the run's events, and `key` is Dask's name of the task. With `cold`, the
    guest boots.
    """

    run: str
    key: str
    id: str
    name: str
    cell: Cell
    cold: bool
    runner: CellRunner


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """The result of an attempt: `files` are the content of its folder, by name."""

    host: str
    machine: Machine
    result: CellResult
    verdict: Verdict
    files: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """A host as its worker describes it. `qemu` is None if there is none.

    `offers` are the names of its resources, its tags among them.
    """

    address: str
    name: str
    memnotify: str
    qemu: str | None
    cores: int
    memory_mib: int
    threads: int
    offers: frozenset[str] = frozenset()


@functools.cache
def program() -> str:
    """Return which memnotify this is: its version, and a digest of its modules.

    A checkout has the version of when it was installed, whatever was changed in it since; a fleet
    that is up still has it as it was then.
    """
    found = (path.relative_to(_PACKAGE) for path in sorted(_PACKAGE.rglob("*.py")))
    modules = {str(path): digest_file(_PACKAGE / path) for path in found if path.parts[0] != _DATA}
    return f"{__version__} ({digest_value(modules)[:12]})"


def identity(program: str, qemu_version: str) -> str:
    """Return the name of the resource of hosts that give the same records: same program and QEMU.

    Every such host has it, and every cell wants it, so Dask itself keeps cells from other hosts.
    """
    return f"{OWN}{digest_value([program, qemu_version])[:16]}"


def qemu_version() -> str | None:
    """Return the version of this host's QEMU, or None."""
    try:
        return qemu.version()
    except InfrastructureError:
        return None


def facts(
    *, address: str, name: str, threads: int, memory_mib: int, offers: frozenset[str]
) -> HostFacts:
    """Return the facts of this host."""
    return HostFacts(
        address=address,
        name=name,
        memnotify=program(),
        qemu=qemu_version(),
        cores=host.cores(),
        memory_mib=memory_mib,
        threads=threads,
        offers=offers,
    )


def pack(folder: Path) -> tuple[tuple[str, bytes], ...]:
    """Return the files in a folder. Raises OSError."""
    return tuple(
        (file.name, file.read_bytes())
        for file in sorted(folder.iterdir())
        if file.is_file() and not file.is_symlink()
    )


def unpack(files: tuple[tuple[str, bytes], ...], folder: Path) -> None:
    """Write files into a folder. Raises OSError, and InfrastructureError for strange ones."""
    for name, data in files:
        if not _is_name(name) or not isinstance(data, bytes) or len(data) > _LARGEST:
            raise InfrastructureError("host", f"a file that no cell has was received: {name!r}")
        (folder / name).write_bytes(data)


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and bool(name) and name == Path(name).name and name[0] != "."


def refuse_other_versions(found: list[HostFacts]) -> None:
    """Raise InputError if no host can give our records."""
    ours = (program(), qemu_version())
    if any((each.memnotify, each.qemu) == ours for each in found):
        return
    told = "; ".join(differs(each) for each in found) or "it has no hosts"
    raise InputError(
        f"no host of the cluster gives the records of this one: {told}",
        hint="install the same memnotify and the same QEMU there; a fleet that is up has the "
        "memnotify of its `fleet up`",
    )


def differs(there: HostFacts) -> str:
    """Return in what a host differs from this one; empty if in nothing that counts."""
    told = []
    if there.memnotify != program():
        told.append(f"memnotify {there.memnotify}, here {program()}")
    if there.qemu != (here := qemu_version()):
        told.append(f"{there.qemu or 'no QEMU'}, here {here or 'none'}")
    return f"{there.name} has {' and '.join(told)}" if told else ""
