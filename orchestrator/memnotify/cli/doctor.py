"""`memnotify doctor`: check that this machine can run the testbed."""

from __future__ import annotations

import argparse
import ctypes.util
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from memnotify import host, limits, places, process
from memnotify.cli.output import add_json
from memnotify.errors import InfrastructureError, InputError
from memnotify.extras import EXTRAS, how_to_install, installed
from memnotify.guest import probe
from memnotify.guest.machine import load_machine, machine_names
from memnotify.guest.privileges import qemu_user
from memnotify.guest.qemu import QEMU
from memnotify.jsontext import dump
from memnotify.kernel import location
from memnotify.kernel.base import Base, bases, load_base
from memnotify.kernel.source import known_offers
from memnotify.kernel.stored import kept_source
from memnotify.kernel.toolchain import missing_packages
from memnotify.model import Accel
from memnotify.places import command, data_files
from memnotify.report.grid import Column, Grid, Row
from memnotify.report.plain import plain_console
from memnotify.rights import SETPRIV
from memnotify.series.quilt import load_series, revisions
from memnotify.store import Store

_GIB = 1 << 30
_QEMU_AT_LEAST = (7, 2)
# One unpacked kernel source with its archive, and the object trees of two series.
_DISK_GIB = 4
# The largest guests of the demo on one core, plus QEMU's own and the host's share.
_MEMORY_MIB = 1024

# Commands that the testbed itself calls, with their Debian package. Further ones for building a
# kernel are listed in kernels/<base>.toml.
_COMMANDS = {SETPRIV: "util-linux", "patch": "patch", "qemu-img": "qemu-utils"}
# Optional commands: the package, and what is missing without it.
_HELPERS = {
    "ccache": ("ccache", "without it, rebuilding kernels is slower"),
    "gdb": ("gdb", "required by memnotify gdb"),
}


class CheckLevel(StrEnum):
    """OK; MISSING: the demo cannot run; NOTE: it can, but something is slower or unavailable."""

    OK = "ok"
    MISSING = "missing"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor's report. `fix` is the command that fixes it, if there is one."""

    name: str
    state: CheckLevel
    detail: str
    fix: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def _apt(package: str) -> str:
    return f"apt-get install {package}"


def examine_guests() -> Iterator[Check]:
    """Yield the checks of a host that builds nothing: it is sent what it runs."""
    yield _data()
    yield from _qemu()
    yield _kvm()
    yield _command(SETPRIV, _COMMANDS[SETPRIV])
    if found := limits.problems():
        yield Check("limits", CheckLevel.MISSING, "; ".join(found))
    yield _memory()
    yield Check("cores", CheckLevel.OK, str(host.cores()))


def examine(store: Store) -> Iterator[Check]:
    """Yield all checks, in the order of the report. Boots two tiny guests, so it takes seconds."""
    yield _data()
    yield from _folders()
    yield from _qemu()
    yield _kvm()
    for program, package in _COMMANDS.items():
        yield _command(program, package)
    known = _bases()
    yield from _toolchains(known)
    for base in known:
        yield _source(base, store)
    for program, (package, without) in _HELPERS.items():
        yield _helper(program, package, without)
    yield _libarchive()
    yield _disk(store.root)
    if (problem := location.problem(store.root)) is not None:
        fix = "point XDG_CACHE_HOME at another folder"
        yield Check("store", CheckLevel.MISSING, f"{store.root}: {problem}", fix)
    if found := limits.problems():
        yield Check("limits", CheckLevel.MISSING, "; ".join(found))
    yield _memory()
    yield Check("cores", CheckLevel.OK, str(host.cores()))
    yield from _extras()


def _data() -> Check:
    """Check the files that come with memnotify, of each kind."""
    try:
        known: tuple[Sized, ...] = (
            bases(),
            revisions(),
            machine_names(),
            data_files(places.CAMPAIGNS, "*.toml"),
        )
        data_files(places.IMAGES / "guest", "*.c")
        data_files(places.IMAGES / "templates", "*.j2")
    except InputError as error:
        return Check("data", CheckLevel.MISSING, error.message, error.hint or "")
    kinds = ("bases", "series", "machines", "campaigns")
    counts = ", ".join(f"{len(of)} {kind}" for of, kind in zip(known, kinds, strict=True))
    return Check("data", CheckLevel.OK, f"{places.HOME}: {counts}")


def _folders() -> Iterator[Check]:
    """Check the user's own folders: what each has, and whether all of it can be read."""
    kinds = {
        "bases": "kernels/*.toml",
        "series": "patches/mem_notify/*/*/series",
        "machines": "images/machines/*.toml",
        "campaigns": "campaigns/*.toml",
    }
    try:
        folders = places.own_folders()
    except InputError as error:
        yield Check("folder", CheckLevel.MISSING, error.message, error.hint or "")
        return
    for folder in folders:
        found = {kind: len(list(folder.glob(pattern))) for kind, pattern in kinds.items()}
        counts = ", ".join(f"{count} {kind}" for kind, count in found.items())
        state = CheckLevel.OK if any(found.values()) else CheckLevel.NOTE
        yield Check("folder", state, f"{folder}: {counts}")
    if folders:
        for wrong in _unusable():
            yield Check("folder", CheckLevel.MISSING, wrong.message, wrong.hint or "")


def _unusable() -> Iterator[InputError]:
    """Yield what is wrong with bases, series and machines, such as two files of one name."""
    named: list[tuple[Callable[..., object], tuple[str, ...]]] = [
        *((load_base, (name,)) for name in bases()),
        *((load_machine, (name,)) for name in machine_names()),
        *((load_series, (name, base)) for name, known in revisions().items() for base in known),
    ]
    for load, words in named:
        try:
            load(*words)
        except InputError as error:
            yield error


def _bases() -> list[Base]:
    """Return the bases that can be read; `_folders` reports the others."""
    known = []
    for name in bases() if any(places.KERNELS.glob("*.toml")) else ():
        try:
            known.append(load_base(name))
        except InputError:
            if not places.own_folders():
                raise
    return known


def _extras() -> Iterator[Check]:
    for name, (library, use) in EXTRAS.items():
        if not installed(library):
            detail = f"{library} is not installed; required by {use}"
            yield Check(f"extra {name}", CheckLevel.NOTE, detail, how_to_install(name))


def _qemu() -> Iterator[Check]:
    if shutil.which(QEMU) is None:
        yield Check("qemu", CheckLevel.MISSING, f"no {QEMU}", _apt("qemu-system-x86"))
        return
    text = process.run([QEMU, "--version"], timeout=20).stdout
    found = re.search(r"version (\d+)\.(\d+)\S*", text)
    if found is None or (int(found[1]), int(found[2])) < _QEMU_AT_LEAST:
        wanted = ".".join(map(str, _QEMU_AT_LEAST))
        yield Check(
            "qemu", CheckLevel.MISSING, f"{text.splitlines()[0]}; {wanted} or later is required"
        )
        return
    yield Check("qemu", CheckLevel.OK, found[0])
    if shutil.which(SETPRIV) is None:
        yield Check("sandboxed guest", CheckLevel.NOTE, "cannot be tested without setpriv")
        return
    yield _user()
    problem = probe.boots(Accel.TCG)
    if problem is None:
        yield Check("sandboxed guest", CheckLevel.OK, "boots")
    else:
        yield Check("sandboxed guest", CheckLevel.MISSING, problem, _apt("seabios qemu-system-x86"))


def _user() -> Check:
    name, user = "QEMU's user", qemu_user()
    if user.problem is not None:
        return Check(
            name, CheckLevel.NOTE, f"root: {user.problem}; a guest that escapes QEMU would be root"
        )
    who = "you" if user.account is None else user.account.pw_name
    return Check(name, CheckLevel.OK, f"{who}, with no_new_privs")


def _kvm() -> Check:
    if shutil.which(QEMU) is None:
        return Check("kvm", CheckLevel.NOTE, "cannot be tested without QEMU")
    problem = probe.kvm_problem()
    if problem is None:
        return Check("kvm", CheckLevel.OK, "boots; used with --clock real")
    return Check("kvm", CheckLevel.NOTE, f"{problem}; guests are emulated")


def _command(name: str, package: str) -> Check:
    path = shutil.which(name)
    if path is None:
        return Check(name, CheckLevel.MISSING, "not found", _apt(package))
    return Check(name, CheckLevel.OK, path)


def _toolchains(known: Iterable[Base]) -> Iterator[Check]:
    """Yield each missing thing once, whichever bases need it, and the bases that lack nothing."""
    needed: dict[tuple[str, str], list[str]] = {}
    whole = []
    for base in known:
        missing = missing_packages(base)
        for name, package in missing.items():
            needed.setdefault((name, package), []).append(base.name)
        if not missing:
            whole.append(base)
    for (name, package), names in needed.items():
        detail = f"not found; required to build {', '.join(names)}"
        yield Check(name, CheckLevel.MISSING, detail, _apt(package))
    for base in whole:
        yield Check(f"{base.name} toolchain", CheckLevel.OK, ", ".join(base.table.tools))


def _source(base: Base, store: Store) -> Check:
    name = f"{base.name} source"
    kept = kept_source(base, store=store)
    if kept is None:
        # Only from the package lists of this machine: a host that does not answer takes long.
        detail = f"not in the store; {'; '.join(known_offers(base))}"
        return Check(name, CheckLevel.NOTE, detail, command(f"kernel fetch {base.name}"))
    return Check(name, CheckLevel.OK, f"{kept.version}, {kept.origin}")


def _helper(name: str, package: str, without: str) -> Check:
    path = shutil.which(name)
    if path is None:
        return Check(name, CheckLevel.NOTE, f"not found; {without}", _apt(package))
    return Check(name, CheckLevel.OK, path)


def _libarchive() -> Check:
    name = ctypes.util.find_library("archive")
    if name is None:
        return Check("libarchive", CheckLevel.MISSING, "not found", _apt("libarchive13"))
    return Check("libarchive", CheckLevel.OK, name)


def _disk(store: Path) -> Check:
    # The store may not exist yet: its file system is that of the nearest existing parent.
    folder = next(path for path in (store, *store.parents) if path.exists())
    free = shutil.disk_usage(folder).free / _GIB
    detail = f"{free:.1f} GiB free for {store}"
    if free < _DISK_GIB:
        fix = f"free {_DISK_GIB} GiB, or point XDG_CACHE_HOME at a file system with that much space"
        return Check("disk", CheckLevel.MISSING, detail, fix)
    return Check("disk", CheckLevel.OK, detail)


def _memory() -> Check:
    mib = host.memory_mib()
    detail = f"{mib} MiB"
    if mib < _MEMORY_MIB:
        return Check("memory", CheckLevel.MISSING, f"{detail}; {_MEMORY_MIB} MiB are required")
    return Check("memory", CheckLevel.OK, detail)


_STYLES = {CheckLevel.OK: "", CheckLevel.MISSING: "bold red", CheckLevel.NOTE: "yellow"}


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Check everything that the testbed needs. The exit status is 3 if something "
        "required is missing."
    )
    parser.add_argument(
        "--guests",
        action="store_true",
        help="only what is needed to run guests: a host of a fleet builds nothing",
    )
    add_json(parser)
    parser.set_defaults(handler=_doctor)


def _doctor(args: argparse.Namespace) -> int:
    checks = list(examine_guests() if args.guests else examine(Store()))
    if args.json:
        print(dump([check.as_json() for check in checks]))
    else:
        _table(checks).print(plain_console())
    missing = [check for check in checks if check.state is CheckLevel.MISSING]
    if missing and not args.json:
        print(f"{len(missing)} missing: {', '.join(check.name for check in missing)}")
    return InfrastructureError.exit_code if missing else 0


def _table(checks: list[Check]) -> Grid:
    columns = (
        Column(name="check"),
        Column(name="state"),
        Column(name="detail", title="detail, and how to fix it", wraps=True),
    )
    rows = []
    for check in checks:
        detail = f"{check.detail}: {check.fix}" if check.fix else check.detail
        values = {"check": check.name, "state": str(check.state), "detail": detail}
        rows.append(Row(values, {}, _STYLES[check.state]))
    return Grid(columns, tuple(rows))
