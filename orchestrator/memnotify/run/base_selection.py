"""Chooses the base of a campaign that names several: the first that builds completely and boots."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from memnotify.campaign.load import Campaign
from memnotify.campaign.plan import bind, boot_files, plan_cells
from memnotify.errors import InfrastructureError, MemnotifyError
from memnotify.guest.templates import Templates
from memnotify.image.build import ensure_image
from memnotify.kernel.base import Base, load_base
from memnotify.kernel.build import ensure_kernel
from memnotify.kernel.download import Web, remembering
from memnotify.kernel.given import told_of_given
from memnotify.kernel.location import refuse_unfit
from memnotify.kernel.source import UNREACHABLE, ensure_source, named_source
from memnotify.kernel.toolchain import named_compiler
from memnotify.model import Cell, KernelRequest
from memnotify.process import CommandLog
from memnotify.report.board import Board
from memnotify.run.stages import SOURCE, Timed, kernel_stage, untimed
from memnotify.run.telling import Telling, if_slow, kernel_name, telling
from memnotify.series.quilt import NONE
from memnotify.store import Artifact, Store

# A network that drops every packet must not delay every run: kernel.org has two names, so this wait
# occurs at most twice, and not again in the next minutes.
PATIENCE = 6.0  # seconds


class Boot(Protocol):
    """Raises InfrastructureError if a guest does not get as far as its scenario."""

    def __call__(self, cell: Cell, kernel: Artifact, *, store: Store, log: CommandLog) -> None: ...


def boot(cell: Cell, kernel: Artifact, *, store: Store, log: CommandLog) -> None:
    """Boot a guest in virtual time, and keep it as a template.

    Raises InfrastructureError if the guest does not get as far as its scenario.
    """
    image = ensure_image(cell.request.arch, store=store, log=log, programs=cell.programs)
    template = Templates(store).ensure(
        bind(cell, kernel, image),
        files=boot_files(kernel, image),
        log=log,
    )
    if not asyncio.run(template):
        name = f"{cell.request.base} {cell.request.series} {cell.request.arch}"
        raise InfrastructureError("boot", f"{name} does not boot as {cell.machine.name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparing:
    """Where the artifacts of a run are kept while they are made, and who hears of it.

    `timed` measures the stages. `board` hears of fetching and building; without it, `say` does.
    """

    store: Store
    say: Callable[[str], None]
    log: CommandLog = field(default_factory=CommandLog)
    board: Board | None = None
    timed: Timed = untimed

    def telling(self, what: str) -> AbstractContextManager[Telling]:
        return telling(what, board=self.board, say=self.say)


def choose_base(
    campaign: Campaign,
    using: Preparing,
    *,
    source: str | None = None,
    cc: str | None = None,
    boot: Boot = boot,
) -> str:
    """Return the base to run a campaign on, and say in one line which it is and why.

    A base is usable if its tree is available (from `source` if given, from the store, or by
    fetching) and every kernel that the campaign needs of it builds and boots; afterwards, kernels
    and templates are in the store. A base that is unavailable, rejects the patches, or does not
    build or boot is skipped for the next one. The last base, or the only one, is not tried: what is
    wrong with it is an error of the build, or a finding.

    Raises InputError if `source` or the compiler `cc` does not exist, which no other base would
    fix; and InfrastructureError or OSError if the testbed fails (a compiler that takes too long, a
    full disk): a slow host must not change what is measured.
    """
    if cc is not None:
        named_compiler(cc)
    if source is not None:
        named_source(source)
    store, log, say = using.store, using.log, using.say
    refuse_unfit(store)
    *preferred, last = campaign.table.kernel.base
    web = remembering(store, patience=PATIENCE)
    reasons: dict[str, list[str]] = {}
    remedies: list[str] = []

    def chosen(text: str) -> None:
        skipped = [f"not {' or '.join(names)}: {why}" for why, names in reasons.items()]
        for line in ("; ".join([text, *skipped]), *remedies):
            say(line)

    for name in preferred:
        try:
            looking = if_slow(f"choosing a base: looking for the source of {name}", say)
            with using.timed(SOURCE), looking, using.telling(f"source {name}") as told:
                found = ensure_source(
                    load_base(name), source, store=store, web=web, log=log, progress=told.step
                )
                told.done()
            for request, cell in kernels_of(campaign, name, source, cc).items():
                what = kernel_name(request)
                with (
                    using.timed(kernel_stage(request)),
                    if_slow(f"choosing a base: looking for the {what}", say),
                    using.telling(what) as told,
                ):
                    kernel = ensure_kernel(
                        request, store=store, log=log, progress=told.step, tell=told.tell
                    )
                    told.done()
                with if_slow(f"choosing a base: booting {what.removeprefix('kernel ')}", say):
                    boot(cell, kernel, store=store, log=log)
        except MemnotifyError as error:
            if not is_the_bases_fault(error):
                raise
            reasons.setdefault(_why(error, web), []).append(name)
            if isinstance(error, InfrastructureError) and error.kind == UNREACHABLE:
                remedies.append(f"for {name}, {error.hint}")
        else:
            chosen(f"base {name}, from {found.origin}")
            _say_given(load_base(name), source, using, only_changed=True)
            return name
    if reasons:
        chosen(f"base {last}")
    _say_given(load_base(last), source, using)
    return last


def _say_given(
    base: Base, source: str | None, using: Preparing, *, only_changed: bool = False
) -> None:
    """Say that a base is built from a tree that the user gave earlier, as it was then."""
    if source is not None:
        return
    line = told_of_given(base, store=using.store, only_changed=only_changed)
    if line is not None:
        using.say(line)


_KINDS = (UNREACHABLE, "source", "checksum", "build", "boot", "qemu-died")
"""Failures of a base: it is unavailable, does not build, or does not boot in QEMU."""


def is_the_bases_fault(error: MemnotifyError) -> bool:
    """Return whether another base might work: neither the testbed nor the host has failed."""
    if not isinstance(error, InfrastructureError):
        return True  # a series that does not apply, a configuration that Kconfig rejects
    # A QEMU that exits by itself rejects the kernel; one that was killed says nothing about it.
    return error.kind in _KINDS and "(killed by " not in error.message


def kernels_of(
    campaign: Campaign, base: str, source: str | None, cc: str | None
) -> dict[KernelRequest, Cell]:
    """Return the kernels to build, each with the first of the cells that need it."""
    cells: dict[KernelRequest, Cell] = {}
    for cell in plan_cells(campaign, base=base, source=source, cc=cc):
        cells.setdefault(cell.request, cell)
    # Patched kernels first: a series that does not apply fails before anything is compiled.
    return dict(sorted(cells.items(), key=lambda item: item[0].series == NONE))


def _why(error: MemnotifyError, web: Web) -> str:
    """Return the first line of a message; the rest shows hunks, or the output of make."""
    message = error.message
    silent = web.silent.items()
    if hosts := [f"{host} {when}".strip() for host, when in silent if f"/{host}/" in message]:
        # The list of all addresses tried would bury the choice; `kernel fetch` shows it.
        return f"cannot be fetched, no answer from {' and '.join(hosts)}"
    return message.partition("\n")[0]
